// Two learner ranks under the real torchrun, which starts them, ends both when
// one dies and starts them again. RLHF_TORCHRUN names it; skipped without.
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

class TorchrunTest : public LearnerTest {
 protected:
  void SetUp() override {
    const char* torchrun = std::getenv("RLHF_TORCHRUN");
    if (torchrun == nullptr || !FileExists(torchrun)) {
      GTEST_SKIP() << "no torchrun: `make .venv-parity/.made` installs it";
    }
    torchrun_ = torchrun;
    ASSERT_NO_FATAL_FAILURE(LearnerTest::SetUp());
  }

  // Starts `rlhf learner` as two ranks that may fail once.
  pid_t Torchrun() {
    return StartProgram(
        {torchrun_, "--standalone", "--nnodes=1", "--nproc-per-node=2",
         "--max-restarts=1", "--monitor-interval=0.1",
         "--log-dir=" + (folder_ / "torchrun"), "--redirects=3", "--no-python",
         binary_, "learner", "--config", config_path_});
  }

  // The process that is rank 1; 0 if there is none.
  pid_t FindRank1() const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      pid_t pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      const std::string process = entry.path().string();
      if (absl::StrContains(
              ReadFile(process + "/cmdline").value_or(""),
              absl::StrCat("learner", std::string(1, '\0'), "--config",
                           std::string(1, '\0'), config_path_)) &&
          absl::StrContains(ReadFile(process + "/environ").value_or(""),
                            std::string("\0RANK=1\0", 8))) {
        return pid;
      }
    }
    return 0;
  }

  // All files of this name that torchrun keeps, by path.
  std::vector<std::string> Kept(const std::string& name) const {
    std::vector<std::string> texts;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             folder_ / "torchrun", error)) {
      if (entry.path().filename() != name) continue;
      texts.push_back(ReadFile(entry.path().string()).value_or(""));
    }
    return texts;
  }

  std::string torchrun_;
};

TEST_F(TorchrunTest, AKilledRankIsStartedAgainAndTheRunGoesOn) {
  constexpr int kMany = 8;
  config_.mutable_learner()->set_checkpoint_every(1);
  Prepare("torchrun", kMany);
  StartServers();
  const pid_t torchrun = Torchrun();
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(60), [this] { return Updates().size() >= 2; }));
  const pid_t victim = FindRank1();
  ASSERT_NE(victim, 0);
  ASSERT_EQ(::kill(victim, SIGKILL), 0);
  EXPECT_EQ(Wait(torchrun), 0);
  StopServers();
  EXPECT_EQ(Updates().size(), kMany);
  const std::string logs = absl::StrJoin(Kept("stderr.log"), "\n");
  // The agent's own store, and both of its attempts.
  EXPECT_THAT(logs, HasSubstr("launch: torchrun rank 1/2 master"));
  EXPECT_THAT(logs, HasSubstr("restart 1"));
  // Rank 0 said for torchrun why it ended: that rank 1 had died, or, if
  // torchrun was faster, that it was asked to.
  const std::vector<std::string> records = Kept("error.json");
  EXPECT_FALSE(records.empty());
  for (const std::string& text : records) {
    ASSERT_OK_AND_ASSIGN(const Json record, ParseJson(text));
    EXPECT_THAT(record["message"]["message"].get<std::string>(),
                HasSubstr("rlhf learner: "));
  }
}

TEST_F(TorchrunTest, AFailureReachesTorchrunInOurWords) {
  Prepare("bad");
  config_.set_prompts(folder_ / "absent.jsonl");
  WriteConfig();
  EXPECT_NE(Wait(Torchrun()), 0);
  const std::vector<std::string> records = Kept("error.json");
  ASSERT_FALSE(records.empty());
  ASSERT_OK_AND_ASSIGN(const Json record, ParseJson(records[0]));
  EXPECT_THAT(record["message"]["message"].get<std::string>(),
              HasSubstr("absent.jsonl"));
  EXPECT_THAT(record["message"]["extraInfo"]["timestamp"].get<std::string>(),
              testing::MatchesRegex("[0-9]+"));
}

}  // namespace
}  // namespace rlhf
