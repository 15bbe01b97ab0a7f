#include "trainer/steering.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

v1::PpoConfig Config(const std::string& text) {
  v1::PpoConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

v1::ModelVersion Pm(int64_t version) {
  v1::ModelVersion pm;
  pm.set_version(version);
  pm.set_digest(absl::StrCat("digest", version));
  return pm;
}

v1::UpdateReport Report(int64_t pm, double train = 0, double test = 0) {
  v1::UpdateReport report;
  *report.mutable_pm() = Pm(pm);
  report.set_reward_anchored_mean(train);
  v1::MemberReport& member = *report.add_members();
  member.set_member("test");
  member.set_anchored_mean(test);
  return report;
}

constexpr char kSwap[] =
    "on_swap { num_updates: 2 kl_factor: 3 critic_only: true }";
constexpr char kSentinel[] = "sentinel { window: 4 max_test_drop: 0.5 ";

TEST(SteeringTest, TheFirstUpdatesUnderAnotherPmHaveTheirRules) {
  Steering steering(Config(kSwap));
  EXPECT_FALSE(steering.For(Pm(1)).after_swap) << "there was no swap";
  steering.Saw(Report(1));
  EXPECT_FALSE(steering.For(Pm(1)).after_swap);
  for (const bool swapped : {true, false}) {
    const UpdateOrders orders = steering.For(Pm(2));
    EXPECT_EQ(orders.swapped, swapped);
    EXPECT_TRUE(orders.after_swap);
    EXPECT_EQ(orders.rules.kl_factor, 3);
    EXPECT_TRUE(orders.rules.critic_only);
    EXPECT_FALSE(orders.restart);
    steering.Saw(Report(2));
  }
  EXPECT_FALSE(steering.For(Pm(2)).after_swap);
  EXPECT_EQ(steering.For(Pm(2)).rules.kl_factor, 1);
  // Taken back: that is a swap too.
  EXPECT_TRUE(steering.For(Pm(1)).swapped);
}

TEST(SteeringTest, ASwapBeginsFromTheInitialPolicyIfWanted) {
  Steering steering(Config("on_swap { restart_policy: true }"));
  EXPECT_FALSE(steering.For(Pm(1)).restart);
  steering.Saw(Report(1));
  EXPECT_FALSE(steering.For(Pm(1)).restart);
  EXPECT_TRUE(steering.For(Pm(2)).restart);
  steering.Saw(Report(2));
  EXPECT_FALSE(steering.For(Pm(2)).restart);
}

TEST(SteeringTest, TheSentinelSpeaksOncePerWindowAndRaisesKl) {
  Steering steering(
      Config(absl::StrCat(kSentinel, "action: RAISE_KL kl_factor: 4 }")));
  for (int i = 0; i < 2; ++i) steering.Saw(Report(1, i, 1));
  for (int i = 2; i < 4; ++i) {
    EXPECT_EQ(steering.For(Pm(1)).over_optimisation, "");
    steering.Saw(Report(1, i, 0));
  }
  const UpdateOrders orders = steering.For(Pm(1));
  EXPECT_THAT(orders.over_optimisation,
              HasSubstr("fell from +1.000 to +0.000"));
  EXPECT_EQ(orders.rules.raise_kl, 4);
  v1::UpdateReport told = Report(1, 4, 0);
  told.set_over_optimisation(orders.over_optimisation);
  steering.Saw(told);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(steering.For(Pm(1)).rules.raise_kl, 1) << i;
    steering.Saw(Report(1, 5, 0));
  }
  steering.Saw(Report(1, 5, 0));
  EXPECT_EQ(steering.For(Pm(1)).rules.raise_kl, 4) << "a window later";
  EXPECT_EQ(steering.PauseUnder(Pm(1)), "") << "another action is configured";
  EXPECT_EQ(steering.For(Pm(2)).over_optimisation, "") << "under another PM";
}

TEST(SteeringTest, TheSentinelPausesUntilAnotherPmServes) {
  Steering steering(Config(absl::StrCat(kSentinel, "action: PAUSE }")));
  for (int i = 0; i < 4; ++i) steering.Saw(Report(1, i, i < 2 ? 1 : 0));
  EXPECT_THAT(steering.PauseUnder(Pm(1)), HasSubstr("the test PM's anchored"));
  EXPECT_EQ(steering.PauseUnder(Pm(2)), "");
}

}  // namespace
}  // namespace rlhf
