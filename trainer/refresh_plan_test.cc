#include "trainer/refresh_plan.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::PreferenceConfig Planned(int64_t every) {
  v1::PreferenceConfig config;
  for (const int64_t at : {96, 176}) config.add_refresh_at(at);
  config.set_refresh_every(every);
  return config;
}

TEST(RefreshPlanTest, TakesTheNextThresholdAfterWhatWasTrainedOn) {
  EXPECT_EQ(NextRefreshAt(Planned(0), 0), 96);
  EXPECT_EQ(NextRefreshAt(Planned(0), 96), 176);
  // Comparisons came faster than training: one refresh covers both.
  EXPECT_EQ(NextRefreshAt(Planned(0), 130), 176);
}

TEST(RefreshPlanTest, EndsOrGoesOnEvenlyAfterTheLastThreshold) {
  EXPECT_EQ(NextRefreshAt(Planned(0), 180), 0);
  EXPECT_EQ(NextRefreshAt(Planned(50), 180), 230);
}

TEST(RefreshPlanTest, NothingConfiguredIsNever) {
  EXPECT_EQ(NextRefreshAt(v1::PreferenceConfig(), 0), 0);
}

}  // namespace
}  // namespace rlhf
