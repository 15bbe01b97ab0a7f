#include "cli/top_view.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

v1::RunConfig TwoActors() {
  v1::RunConfig config;
  config.set_name("harbour");
  config.mutable_up()->set_num_actors(2);
  config.mutable_crowd()->add_workers()->set_worker_id("ada");
  return config;
}

// A look at `seconds` after the start, when 50 tokens a second and actor, half
// a core and a comparison a second have come.
TopLook LookAfter(int seconds) {
  TopLook look;
  look.time = absl::FromUnixSeconds(1000 + seconds);
  for (const MetricsTarget& target : MetricsTargetsOf(TwoActors())) {
    ProcessNumbers& process = look.processes.emplace_back();
    process.process = target.process;
    process.start_time = 900;
    process.cpu_seconds = 0.5 * seconds;
    process.rss_bytes = 1 << 30;
    process.generated_tokens = 50 * seconds;
    process.comparisons = seconds;
  }
  v1::LearnerStatus learner;
  learner.set_phase("generation");
  learner.set_update(7);
  learner.set_num_updates(24);
  learner.set_rollouts_accepted(9);
  learner.set_rollouts_wanted(16);
  learner.mutable_last_update()->set_update_seconds(15);
  learner.mutable_last_update()->set_reward_anchored_mean(0.625);
  learner.mutable_last_update()->set_staleness_max(1);
  look.answers.learner = learner;
  v1::RewardStatus rewards;
  rewards.mutable_serving()->set_version(3);
  look.answers.rewards = rewards;
  v1::FeedbackStats stats;
  stats.set_num_comparisons(112);
  look.answers.feedback = stats;
  return look;
}

std::string Screen(const TopHistory& history) {
  return absl::StrJoin(RenderTop(TwoActors(), history, 120, 50), "\n");
}

TEST(MetricsTargetsTest, AreThePortsThatTheProcessesServeAt) {
  v1::RunConfig config = TwoActors();
  config.mutable_learner()->set_num_ranks(2);
  std::vector<std::string> targets;
  for (const MetricsTarget& target : MetricsTargetsOf(config)) {
    targets.push_back(absl::StrCat(target.process, "=", target.address));
  }
  EXPECT_EQ(absl::StrJoin(targets, " "),
            "learner=127.0.0.1:7201 learner-1=127.0.0.1:7211 "
            "actor=127.0.0.1:7202 actor-1=127.0.0.1:7221 "
            "reward-server=127.0.0.1:7203 refresher=127.0.0.1:7204 "
            "feedback=127.0.0.1:7180 crowd=127.0.0.1:7206 up=127.0.0.1:7200");
}

TEST(TopHistoryTest, RatesAreOverTheSpanThatIsAskedFor) {
  TopHistory history;
  history.Add(LookAfter(0));
  EXPECT_TRUE(std::isnan(
      history.Rate(2, &ProcessNumbers::generated_tokens, absl::Seconds(10))));
  TopLook fast = LookAfter(100);
  history.Add(fast);
  fast = LookAfter(101);
  fast.processes[1].generated_tokens += 50;
  history.Add(fast);
  EXPECT_EQ(
      history.Rate(1, &ProcessNumbers::generated_tokens, absl::Seconds(10)),
      100);
  EXPECT_EQ(history.RateOfRole("actor", &ProcessNumbers::generated_tokens,
                               absl::Seconds(10)),
            150);
}

TEST(TopHistoryTest, AProcessThatWasStartedAgainHasNoRateYet) {
  TopHistory history;
  history.Add(LookAfter(0));
  TopLook again = LookAfter(5);
  again.processes[1].start_time = 1003;
  again.processes[1].generated_tokens = 2;
  history.Add(again);
  EXPECT_TRUE(std::isnan(
      history.Rate(1, &ProcessNumbers::generated_tokens, absl::Seconds(10))));
  EXPECT_EQ(history.RateOfRole("actor", &ProcessNumbers::generated_tokens,
                               absl::Seconds(10)),
            50);
}

TEST(TopHistoryTest, LatencyIsThatOfTheLastMinute) {
  TopHistory history;
  const auto look_at = [&](int seconds, double fast, double slow) {
    TopLook look = LookAfter(seconds);
    look.processes[3].reward_seconds = {{1, fast}, {3, fast + slow}};
    history.Add(look);
  };
  look_at(0, 0, 0);
  look_at(50, 1000, 0);
  EXPECT_NEAR(history.RewardSeconds(0.5), 0.5, 1e-9);
  look_at(105, 1000, 10);
  EXPECT_NEAR(history.RewardSeconds(0.5), 2, 1e-9);
}

TEST(RenderTopTest, ShowsEachProcessAndTheRunAtAGlance) {
  TopHistory history;
  history.Add(LookAfter(0));
  TopLook look = LookAfter(2);
  look.processes.back().supervised = MetricsText::Parse(
      "rlhf_restarts_total{component=\"actor-1\",reason=\"signal\"} 3\n"
      "rlhf_restarts_total{component=\"actor-1\",reason=\"error\"} 1\n");
  history.Add(look);
  EXPECT_THAT(Screen(history),
              AllOf(HasSubstr("run harbour"), HasSubstr("update 7/24"),
                    HasSubstr("4.0 updates/min"), HasSubstr("+0.625 anchored"),
                    HasSubstr("PM v3"), HasSubstr("100 tokens/s"),
                    HasSubstr("accepted 9/16"), HasSubstr("1 most"),
                    HasSubstr("112 comparisons  3600/h")));
  EXPECT_THAT(Screen(history),
              HasSubstr("actor-1          runs           4   50 %  1.00 GiB   "
                        "1 min 42 s  50 tokens/s"));
}

TEST(RenderTopTest, WhoIsSilentIsShownWithTheReason) {
  TopHistory history;
  TopLook look = LookAfter(0);
  look.processes[0].answered = absl::UnavailableError("connection refused");
  look.answers.learner = absl::UnavailableError("gone");
  history.Add(look);
  EXPECT_THAT(Screen(history),
              AllOf(HasSubstr("learner   no answer"),
                    HasSubstr("learner          silent         0  connection "
                              "refused"),
                    HasSubstr("reward    no update yet")));
}

TEST(RenderTopTest, FitsTheTerminal) {
  TopHistory history;
  TopLook look = LookAfter(0);
  look.processes[0].answered =
      absl::UnavailableError("an\x1b[2Jescape" + std::string(200, 'x'));
  history.Add(look);
  const std::vector<std::string> lines =
      RenderTop(TwoActors(), history, 40, 10);
  ASSERT_THAT(lines, SizeIs(10));
  EXPECT_EQ(lines.back(), "and 7 more lines");
  EXPECT_THAT(lines, Each(SizeIs(testing::Le(40u))));
  EXPECT_THAT(absl::StrJoin(lines, "\n"), Not(HasSubstr("\x1b")));
}

TEST(TopLineTest, HasItAllInOneLine) {
  TopHistory history;
  history.Add(LookAfter(0));
  const std::string line = TopLine(history);
  EXPECT_THAT(line, AllOf(HasSubstr("update 7/24"), HasSubstr("PM v3"),
                          HasSubstr("- tokens/s"), HasSubstr("restarts 0"),
                          HasSubstr("memory 8.00 GiB"), Not(HasSubstr("\n"))));
}

}  // namespace
}  // namespace rlhf
