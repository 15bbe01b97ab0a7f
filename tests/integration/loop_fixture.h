// A run of real `rlhf` processes on a tiny random model, in a folder and on
// ports of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

// The base of tests that start processes. Ends those that a test leaves behind.
class LoopTest : public testing::Test {
 protected:
  // Writes model, gold PM and prompts, and fills `config_`.
  void SetUp() override;
  void TearDown() override;

  // Writes `config_` to `config_path_`.
  void WriteConfig();

  // Starts `rlhf WORDS…` with NAME=value `environment` added to this process's.
  pid_t Start(const std::vector<std::string>& words,
              const std::vector<std::string>& environment = {});

  // Starts any other program, found in PATH.
  pid_t StartProgram(std::vector<std::string> argv,
                     const std::vector<std::string>& environment = {});

  // Waits for the end of a process that one of these gave; returns its exit
  // code, or minus the signal that killed it.
  int Wait(pid_t pid);

  // SIGTERM, then Wait.
  int Stop(pid_t pid);

  // Updates that metrics.jsonl holds, each once, in order.
  std::vector<v1::UpdateReport> Updates() const;

  TempDir folder_;
  v1::RunConfig config_;
  std::string config_path_;
  std::string run_;     // the run directory
  std::string binary_;  // rlhf

 private:
  std::vector<pid_t> running_;
};

// The base of tests of learner processes: a run without people, whose first PM
// is there already.
class LearnerTest : public LoopTest {
 protected:
  static constexpr int kUpdates = 4;

  // Makes that run, under the name `name`.
  void Prepare(const std::string& name, int num_updates = kUpdates);

  // What a learner needs beside itself.
  void StartServers();
  void StopServers();

  // Starts the ranks of a learner, which meet at a port of their own.
  std::vector<pid_t> StartRanks(int world_size);

  // Makes a run `name` that has the journals of the run so far, so that its
  // learner needs nobody else.
  void PrepareReplay(const std::string& name);

  // The bytes of weights and optimizer state in the checkpoint of `update`.
  std::string CheckpointBytes(int64_t update) const;

 private:
  std::vector<pid_t> servers_;
};

// Polls until `condition` holds; false if it does not within `timeout`.
template <typename F>
bool WaitUntil(absl::Duration timeout, F&& condition) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

}  // namespace rlhf
