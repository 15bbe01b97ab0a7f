// `rlhf up` with two ranks, one of which is killed (kill -9) again and again at
// random moments. RLHF_CHAOS_KILLS says how often; `make chaos` 50 times.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/launch/exit_codes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {
namespace {

constexpr absl::Duration kDetection = absl::Seconds(2);
constexpr absl::Duration kFirstStep = absl::Seconds(10);

// Whether a process is there and no zombie.
bool IsAlive(pid_t pid) {
  const auto stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  return stat.ok() && !absl::StrContains(*stat, ") Z ");
}

struct Kill {
  int rank = 0;
  bool while_starting = false;
  absl::Duration moment;  // after the last step, or after the process began
  absl::Duration detection;
  absl::Duration first_step;
  int64_t checkpoint_before = 0;
  int64_t checkpoint_after = 0;
};

class ChaosTest : public LearnerTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LearnerTest::SetUp());
    Prepare("storm");
    config_.mutable_learner()->set_num_ranks(2);
    config_.mutable_learner()->set_checkpoint_every(2);
    config_.mutable_learner()->set_best_checkpoints_kept(1);
    config_.mutable_ppo()->set_num_updates(100'000);
    config_.mutable_evaluation()->set_num_prompts(0);
    WriteConfig();
  }

  // The learner's process of this rank; 0 if there is none.
  pid_t FindRank(int rank) const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      pid_t pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      const std::string command =
          ReadFile(entry.path().string() + "/cmdline").value_or("");
      const std::vector<std::string> argv = absl::StrSplit(command, '\0');
      if (argv.size() < 4 || argv[1] != "learner" ||
          argv[3] != run_ + "/config.txtpb") {
        continue;
      }
      const std::string environment =
          ReadFile(entry.path().string() + "/environ").value_or("");
      if (absl::StrContains(environment, absl::StrCat("LOCAL_RANK=", rank))) {
        return pid;
      }
    }
    return 0;
  }
  pid_t WaitForRank(int rank) {
    pid_t pid = 0;
    EXPECT_TRUE(WaitUntil(absl::Seconds(30),
                          [&] { return (pid = FindRank(rank)) != 0; }))
        << "rank " << rank << " was never started";
    return pid;
  }

  int64_t NumLines() const {
    const std::string text = ReadFile(run_ + "/metrics.jsonl").value_or("");
    return std::count(text.begin(), text.end(), '\n');
  }
  // Of the newest one that is whole; -1 if none is.
  int64_t NewestCheckpoint() const {
    const auto newest = CheckpointStore(run_ + "/checkpoints", 1).Newest();
    EXPECT_OK(newest);
    return newest.ok() && newest->has_value() ? (*newest)->step : -1;
  }
  void WaitForStep(int64_t lines) {
    ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] {
      return NumLines() > lines;
    })) << "no step came";
  }

  // Kills `kill.rank` now and measures up to the end of the other rank.
  void Strike(Kill& kill) {
    const pid_t victim = WaitForRank(kill.rank);
    const pid_t other = WaitForRank(1 - kill.rank);
    kill.checkpoint_before = NewestCheckpoint();
    const absl::Time struck = absl::Now();
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    ASSERT_TRUE(WaitUntil(absl::Seconds(30), [&] { return !IsAlive(other); }))
        << "the other rank does not end";
    kill.detection = absl::Now() - struck;
    kill.checkpoint_after = NewestCheckpoint();
  }

  void Report(const std::vector<Kill>& kills) const;

  std::mt19937 random_{2026};
};

void ChaosTest::Report(const std::vector<Kill>& kills) const {
  std::string text =
      "kill  rank  when                    detected  first step  newest "
      "checkpoint\n";
  absl::Duration worst_detection, worst_step;
  std::vector<absl::Duration> steps;
  for (size_t i = 0; i < kills.size(); ++i) {
    const Kill& kill = kills[i];
    absl::StrAppendFormat(
        &text, "%4d  %4d  %5.2f s after %-11s  %6.2f s    %6.2f s  %d -> %d\n",
        i + 1, kill.rank, absl::ToDoubleSeconds(kill.moment),
        kill.while_starting ? "its start" : "a step",
        absl::ToDoubleSeconds(kill.detection),
        absl::ToDoubleSeconds(kill.first_step), kill.checkpoint_before,
        kill.checkpoint_after);
    worst_detection = std::max(worst_detection, kill.detection);
    worst_step = std::max(worst_step, kill.first_step);
    steps.push_back(kill.first_step);
  }
  std::sort(steps.begin(), steps.end());
  absl::StrAppendFormat(
      &text,
      "%d kills: detected within %.2f s, first step again after %.2f s "
      "(median), %.2f s (worst)\n",
      kills.size(), absl::ToDoubleSeconds(worst_detection),
      absl::ToDoubleSeconds(steps[steps.size() / 2]),
      absl::ToDoubleSeconds(worst_step));
  std::cout << text;
}

TEST_F(ChaosTest, KilledRanksCostNothingButTime) {
  const char* wanted = std::getenv("RLHF_CHAOS_KILLS");
  int num_kills = 3;
  if (wanted != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(wanted, &num_kills));
  }
  const pid_t up =
      StartProgram({"sh", "-c",
                    absl::StrCat("exec ", binary_, " up ", config_path_,
                                 " --plain > ", folder_ / "up.log")});
  ASSERT_NO_FATAL_FAILURE(WaitForStep(0));
  std::vector<Kill> kills;
  while (static_cast<int>(kills.size()) < num_kills) {
    Kill& kill = kills.emplace_back();
    kill.rank = static_cast<int>(random_() % 2);
    // Every fifth strikes again while the group that it killed starts.
    kill.while_starting = kills.size() % 5 == 3;
    if (kill.while_starting) {
      Kill first = kill;
      ASSERT_NO_FATAL_FAILURE(Strike(first));
      WaitForRank(kill.rank);
    }
    kill.moment =
        absl::Milliseconds(random_() % (kill.while_starting ? 1000 : 2000));
    absl::SleepFor(kill.moment);
    ASSERT_NO_FATAL_FAILURE(Strike(kill));
    const absl::Time struck = absl::Now() - kill.detection;
    ASSERT_NO_FATAL_FAILURE(WaitForStep(NumLines()));
    kill.first_step = absl::Now() - struck;
    EXPECT_GE(kill.checkpoint_after, kill.checkpoint_before);
    EXPECT_LE(kill.detection, kDetection) << "kill " << kills.size();
    EXPECT_LE(kill.first_step, kFirstStep) << "kill " << kills.size();
  }
  ASSERT_EQ(Stop(up), kStoppedEarly);
  Report(kills);

  // One uninterrupted pass over the same rollouts.
  const int64_t last = NewestCheckpoint();
  const std::vector<v1::UpdateReport> storm = Updates();
  const std::string bytes = CheckpointBytes(last);
  config_.mutable_ppo()->set_num_updates(last);
  PrepareReplay("calm");
  for (const pid_t rank : StartRanks(2)) ASSERT_EQ(Wait(rank), 0);
  const std::vector<v1::UpdateReport> calm = Updates();
  EXPECT_TRUE(CheckpointBytes(last) == bytes)
      << "weights or optimizer state of update " << last << " differ";
  ASSERT_EQ(static_cast<int64_t>(calm.size()), last);
  for (int64_t i = 0; i < last; ++i) {
    EXPECT_EQ(calm[i].policy_loss(), storm[i].policy_loss()) << i + 1;
    EXPECT_EQ(calm[i].kl_k1_nats_per_sequence(),
              storm[i].kl_k1_nats_per_sequence())
        << i + 1;
  }
  std::cout << "weights, optimizer state and the reports of " << last
            << " updates are bit for bit those of an uninterrupted run\n";
}

}  // namespace
}  // namespace rlhf
