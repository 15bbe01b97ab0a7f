#include "trainer/training_events.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::Contains;
using testing::DoubleNear;
using testing::EndsWith;
using testing::Key;
using testing::Not;
using testing::Pair;

std::map<std::string, double> Scalars(const v1::UpdateReport& report) {
  std::map<std::string, double> scalars;
  const v1::tensorboard::Summary summary = EventsOf(report);
  for (const auto& value : summary.value()) {
    if (value.has_tensor()) continue;
    EXPECT_TRUE(scalars.emplace(value.tag(), value.simple_value()).second)
        << value.tag() << " twice";
  }
  return scalars;
}

v1::UpdateReport SomeReport() {
  v1::UpdateReport report;
  report.set_update(3);
  report.set_num_rollouts(8);
  report.mutable_pm()->set_version(2);
  report.set_reward_mean(7);
  report.set_reward_anchored_mean(1.5);
  report.set_kl_k1_nats_per_sequence(4);
  report.set_kl_coefficient(0.25);
  report.set_entropy_nats_per_token(2);
  report.set_response_tokens_mean(10);
  report.set_finished_share(0.75);
  report.set_policy_loss(-0.1);
  report.set_ratio_mean(1.01);
  report.set_generation_seconds(3);
  report.set_update_seconds(1);
  report.set_after_swap(true);
  return report;
}

TEST(TrainingEventsTest, OurFieldsAreThereUnderOurNames) {
  const auto scalars = Scalars(SomeReport());
  EXPECT_THAT(scalars, Contains(Pair("rlhf/reward_mean", 7)));
  EXPECT_THAT(scalars, Contains(Pair("rlhf/num_rollouts", 8)));
  EXPECT_THAT(scalars, Contains(Pair("rlhf/after_swap", 1)));
  EXPECT_THAT(scalars, Contains(Pair("rlhf/pm_version", 2)));
  // 0, and known to be.
  EXPECT_THAT(scalars, Contains(Pair("rlhf/clip_share", 0)));
  EXPECT_THAT(scalars, Not(Contains(Key("rlhf/update"))));
}

TEST(TrainingEventsTest, TrlsNamesHaveTrlsMeaning) {
  const auto scalars = Scalars(SomeReport());
  EXPECT_THAT(scalars, Contains(Pair("objective/kl", 4)));
  EXPECT_THAT(scalars, Contains(Pair("objective/entropy", 20)));  // 2 * 10
  // -0.25 * 4, and 1.5 more.
  EXPECT_THAT(scalars, Contains(Pair("objective/non_score_reward", -1)));
  EXPECT_THAT(scalars, Contains(Pair("objective/rlhf_reward", 0.5)));
  EXPECT_THAT(scalars, Contains(Pair("objective/scores", 1.5)));
  EXPECT_THAT(scalars, Contains(Pair("policy/entropy_avg", 2)));
  EXPECT_THAT(scalars,
              Contains(Pair("loss/policy_avg", DoubleNear(-0.1, 1e-6))));
  EXPECT_THAT(scalars, Contains(Pair("val/ratio", DoubleNear(1.01, 1e-6))));
  EXPECT_THAT(scalars, Contains(Pair("val/num_eos_tokens", 6)));  // 0.75 * 8
  EXPECT_THAT(scalars, Contains(Pair("episode", 24)));            // 3 * 8
  EXPECT_THAT(scalars, Contains(Pair("eps", 2)));                 // 8 / (3 + 1)
  for (const char* tag :
       {"policy/approxkl_avg", "policy/clipfrac_avg", "loss/value_avg",
        "val/clipfrac_avg", "val/ratio_var", "lr"}) {
    EXPECT_THAT(scalars, Contains(Key(tag)));
  }
}

TEST(TrainingEventsTest, MembersOfAPmHaveCurvesOfTheirOwn) {
  v1::UpdateReport report = SomeReport();
  v1::MemberReport& member = *report.add_members();
  member.set_member("helpful");
  member.set_mean(0.5);
  member.set_anchored_mean(0.25);
  const auto scalars = Scalars(report);
  EXPECT_THAT(scalars, Contains(Pair("rlhf/helpful/mean", 0.5)));
  EXPECT_THAT(scalars, Contains(Pair("rlhf/helpful/anchored_mean", 0.25)));
}

TEST(TrainingEventsTest, AnUpdateThatWasLeftOutHasNoCurveAtZero) {
  v1::UpdateReport report;
  report.set_left_out("it diverged");
  report.set_num_skipped_steps(4);
  const auto scalars = Scalars(report);
  EXPECT_THAT(scalars, Contains(Pair("rlhf/num_skipped_steps", 4)));
  EXPECT_THAT(scalars, Not(Contains(Key("rlhf/reward_mean"))));
  EXPECT_THAT(scalars, Not(Contains(Key("objective/kl"))));
}

TEST(TrainingEventsTest, ATextIsShownAsItIs) {
  v1::UpdateReport report = SomeReport();
  v1::TextSample& sample = *report.add_samples();
  sample.set_choice("best");
  sample.set_rollout_id("000003/001");
  sample.set_prompt("user: # no heading\n<b>");
  sample.set_response("yes");
  sample.set_reward(0.5);
  const auto summary = EventsOf(report);
  const auto& value = summary.value(summary.value_size() - 1);
  EXPECT_EQ(value.tag(), "samples/best");
  EXPECT_EQ(value.tensor().string_val(0),
            "rollout 000003/001, reward 0.5\n\n"
            "    user: # no heading\n    <b>\n\nresponse\n\n    yes");
}

TEST(TrainingEventsTest, NoLineOfATextStandsOutsideOfIt) {
  v1::UpdateReport report = SomeReport();
  v1::TextSample& sample = *report.add_samples();
  sample.set_prompt("user: a\r\r![](http://example.org/b)\r\nc");
  sample.set_response("\r# d");
  const auto summary = EventsOf(report);
  EXPECT_THAT(summary.value(summary.value_size() - 1).tensor().string_val(0),
              EndsWith("\n\n    user: a\n    \n    ![](http://example.org/b)\n"
                       "    c\n\nresponse\n\n    \n    # d"));
}

}  // namespace
}  // namespace rlhf
