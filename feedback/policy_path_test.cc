#include "feedback/policy_path.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::UpdateReport Update(int64_t number, double kl_before, int64_t pm) {
  v1::UpdateReport report;
  report.set_update(number);
  report.set_kl_k1_nats_per_sequence(kl_before);
  report.mutable_pm()->set_version(pm);
  return report;
}

TEST(KlBandTest, IsOneUnitOfTheSquareRootWide) {
  EXPECT_EQ(KlBand(0), 0);
  EXPECT_EQ(KlBand(0.99), 0);
  EXPECT_EQ(KlBand(1), 1);
  EXPECT_EQ(KlBand(3.99), 1);
  EXPECT_EQ(KlBand(4), 2);
  EXPECT_EQ(KlBand(99.9), 9);
}

TEST(KlBandTest, EstimatesBelowZeroAreInTheFirstAndHugeOnesInTheLast) {
  EXPECT_EQ(KlBand(-2), 0);
  EXPECT_EQ(KlBand(100), kLastKlBand);
  EXPECT_EQ(KlBand(1e300), kLastKlBand);
}

TEST(PolicyPathTest, KlOfAVersionIsWhatTheUpdateAfterItMeasured) {
  PolicyPath path;
  path.Saw(Update(1, 0.0, 1));
  path.Saw(Update(2, 2.5, 1));
  path.Saw(Update(3, 9.5, 2));
  EXPECT_EQ(path.Of(0), (PolicyPlace{.kl_band = 0, .pm_version = 0}));
  EXPECT_EQ(path.Of(1), (PolicyPlace{.kl_band = 1, .pm_version = 1}));
  EXPECT_EQ(path.Of(2), (PolicyPlace{.kl_band = 3, .pm_version = 1}));
  EXPECT_EQ(path.Of(3), (PolicyPlace{.kl_band = 3, .pm_version = 2}))
      << "its own KL is not known yet";
}

TEST(PolicyPathTest, WithoutAnyReportVersionsStandAtTheBeginning) {
  EXPECT_EQ(PolicyPath().Of(7), PolicyPlace());
  EXPECT_EQ(PolicyPath().Of(-1), PolicyPlace());
}

TEST(PolicyPathTest, AnUpdateThatWasLeftOutMeasuresNothing) {
  PolicyPath path;
  path.Saw(Update(1, 0, 1));
  path.Saw(Update(2, 5, 1));
  v1::UpdateReport left_out = Update(3, 300, 2);
  left_out.set_left_out("it diverged");
  path.Saw(left_out);
  path.Saw(Update(4, std::numeric_limits<double>::quiet_NaN(), 2));
  EXPECT_EQ(path.Of(2), (PolicyPlace{.kl_band = 2, .pm_version = 1}));
  EXPECT_EQ(path.Of(3), (PolicyPlace{.kl_band = 2, .pm_version = 1}));
}

TEST(PolicyPathTest, APolicyThatBeginsAgainStandsWhereTheInitialOneDoes) {
  PolicyPath path;
  path.Saw(Update(1, 0, 1));
  path.Saw(Update(2, 20, 1));
  v1::UpdateReport restart = Update(3, 0, 2);
  restart.set_policy_restarted(true);
  restart.set_left_out("the policy begins again");
  path.Saw(restart);
  EXPECT_EQ(path.Of(1), (PolicyPlace{.kl_band = 4, .pm_version = 1}));
  EXPECT_EQ(path.Of(3), PolicyPlace());
  path.Saw(Update(4, 0, 2));
  EXPECT_EQ(path.Of(4), (PolicyPlace{.kl_band = 0, .pm_version = 2}));
}

TEST(PolicyPathTest, AnUpdateThatIsMadeAgainCountsAsItWasMadeLast) {
  PolicyPath path;
  path.Saw(Update(2, 2, 1));
  path.Saw(Update(2, 30, 1));
  EXPECT_EQ(path.Of(1).kl_band, 5);
}

TEST(DrawAcrossTest, EveryBandAndInItEveryPmIsAsLikelyAsEveryOther) {
  std::vector<PolicyPlace> places(200, {.kl_band = 3, .pm_version = 2});
  places.push_back({.kl_band = 0, .pm_version = 0});
  places.push_back({.kl_band = 3, .pm_version = 1});
  std::map<PolicyPlace, int> drawn;
  for (uint64_t key = 0; key < 4'000; ++key) {
    ++drawn[places[DrawAcross(places, key)]];
  }
  // Three standard deviations: 95 of 2,000, 82 of 1,000.
  EXPECT_NEAR((drawn[{.kl_band = 0, .pm_version = 0}]), 2'000, 95);
  EXPECT_NEAR((drawn[{.kl_band = 3, .pm_version = 1}]), 1'000, 82);
  EXPECT_NEAR((drawn[{.kl_band = 3, .pm_version = 2}]), 1'000, 82);
}

TEST(DrawAcrossTest, EveryOneOfAPlaceIsAsLikelyAndTheKeyDecides) {
  const std::vector<PolicyPlace> places(4);
  std::map<size_t, int> drawn;
  for (uint64_t key = 0; key < 4'000; ++key) {
    ++drawn[DrawAcross(places, key)];
    EXPECT_EQ(DrawAcross(places, key), DrawAcross(places, key));
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(drawn[i], 1'000, 82) << i;
}

}  // namespace
}  // namespace rlhf
