#include "tests/integration/loop_fixture.h"

#include <google/protobuf/text_format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "gmock/gmock.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/run_log.h"

extern char** environ;

namespace rlhf {
namespace {

constexpr char kConfig[] = R"(
  name: "loop"
  held_out_prompt_share: 0.3
  threads: 1
  sampling { max_new_tokens: 8 max_prompt_tokens: 240 }
  ppo {
    num_epochs: 2 num_minibatches: 4
    learning_rate: 0.01 kl_coefficient: 0.001
  }
  learner { checkpoint_every: 4 lease_seconds: 3 }
  actor { max_batch: 64 }
  preference {
    num_epochs: 2 batch_size: 8 learning_rate: 0.0003
    head_learning_rate: 0.02
    gate { min_accuracy: 0 max_accuracy_drop: 1 }
  }
  feedback { lease_seconds: 5 }
  evaluation { num_prompts: 10 }
)";

// What a failed test shows of its processes.
void PrintLogs(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto text = ReadFile(entry.path().string());
    if (!text.ok()) continue;
    const size_t shown = std::min<size_t>(text->size(), 6000);
    std::cerr << "--- " << entry.path() << "\n"
              << text->substr(text->size() - shown) << "\n";
  }
}

}  // namespace

void LoopTest::SetUp() {
  const char* binary = std::getenv("RLHF_BINARY");
  ASSERT_TRUE(binary != nullptr && FileExists(binary));
  binary_ = binary;
  ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
  // What a random model writes is never finished, so a PM judges.
  ASSERT_OK(WriteTinyPm(folder_ / "gold", 2));
  std::string prompts;
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&prompts, "{\"prompt\": \"make tea ", i, "\"}\n");
  }
  ASSERT_OK(WriteFileAtomically(folder_ / "prompts.jsonl", prompts));
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(kConfig, &config_));
  config_.set_runs_dir(folder_ / "runs");
  config_.set_initial_policy(folder_ / "model");
  config_.set_prompts(folder_ / "prompts.jsonl");
  config_.mutable_crowd()->set_gold_model(folder_ / "gold");
  SetFreePorts(config_);
  config_path_ = folder_ / "loop.txtpb";
  run_ = RunDirectory(config_);
}

void LoopTest::TearDown() {
  while (!running_.empty()) Stop(running_.back());
  if (HasFailure()) PrintLogs(run_ + "/logs");
}

void LoopTest::WriteConfig() {
  std::string text;
  ASSERT_TRUE(google::protobuf::TextFormat::PrintToString(config_, &text));
  ASSERT_OK(WriteFileAtomically(config_path_, text));
}

pid_t LoopTest::Start(const std::vector<std::string>& words,
                      const std::vector<std::string>& environment) {
  std::vector<std::string> argv = {binary_};
  argv.insert(argv.end(), words.begin(), words.end());
  return StartProgram(std::move(argv), environment);
}

pid_t LoopTest::StartProgram(std::vector<std::string> argv,
                             const std::vector<std::string>& environment) {
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  std::vector<char*> variables;
  for (const std::string& variable : environment) {
    variables.push_back(const_cast<char*>(variable.c_str()));
  }
  for (char** v = environ; *v != nullptr; ++v) variables.push_back(*v);
  variables.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawnp(&pid, words[0], nullptr, nullptr, words.data(),
                           variables.data()),
            0);
  running_.push_back(pid);
  return pid;
}

int LoopTest::Wait(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  std::erase(running_, pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int LoopTest::Stop(pid_t pid) {
  ::kill(pid, SIGTERM);
  return Wait(pid);
}

std::vector<v1::UpdateReport> LoopTest::Updates() const {
  const auto updates = ReadUpdates(run_);
  EXPECT_OK(updates);
  return updates.ok() ? *updates : std::vector<v1::UpdateReport>();
}

void LearnerTest::Prepare(const std::string& name, int num_updates) {
  config_.set_name(name);
  config_.mutable_ppo()->set_num_updates(num_updates);
  config_.mutable_ppo()->set_rollouts_per_update(16);
  run_ = RunDirectory(config_);
  WriteConfig();
  const ModelRegistry registry(run_ + "/registry/pm");
  ASSERT_OK(registry
                .Publish(1, nullptr,
                         [](const std::string& folder) {
                           return WriteTinyPm(folder, 3);
                         })
                .status());
  ASSERT_OK(registry.Promote(1, std::nullopt, {"test", "the first"}));
}

void LearnerTest::StartServers() {
  servers_ = {Start({"reward-server", "--config", config_path_}),
              Start({"actor", "--config", config_path_})};
}

std::vector<pid_t> LearnerTest::StartRanks(int world_size) {
  const int master_port = FreePorts(1)[0];
  std::vector<pid_t> ranks;
  for (int rank = 0; rank < world_size; ++rank) {
    ranks.push_back(Start(
        {"learner", "--config", config_path_},
        {absl::StrCat("RANK=", rank), absl::StrCat("WORLD_SIZE=", world_size),
         "MASTER_ADDR=127.0.0.1", absl::StrCat("MASTER_PORT=", master_port)}));
  }
  return ranks;
}

void LearnerTest::PrepareReplay(const std::string& name) {
  const std::string journals = run_ + "/rollouts";
  config_.set_name(name);
  run_ = RunDirectory(config_);
  WriteConfig();
  ASSERT_OK(MakeDirectories(run_));
  std::filesystem::copy(journals, run_ + "/rollouts");
}

std::string LearnerTest::CheckpointBytes(int64_t update) const {
  const std::string folder =
      absl::StrFormat("%s/checkpoints/%06d/", run_, update);
  std::string bytes;
  for (const char* name : {"policy.safetensors", "optimizer.safetensors"}) {
    const auto file = ReadFile(folder + name);
    EXPECT_OK(file);
    if (file.ok()) bytes += *file;
  }
  return bytes;
}

void LearnerTest::StopServers() {
  for (const pid_t server : servers_) Stop(server);
  servers_.clear();
}

}  // namespace rlhf
