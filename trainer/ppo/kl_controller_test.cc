#include "trainer/ppo/kl_controller.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr KlControllerOptions kOptions = {.target_nats = 6,
                                          .horizon_rollouts = 10'000};

TEST(KlControllerTest, OnTargetItStays) {
  EXPECT_EQ(NextKlCoefficient(0.2, 6, 512, kOptions), 0.2);
}

TEST(KlControllerTest, MatchesHandComputedValues) {
  // Error 6.6 / 6 - 1 = 0.1: 0.2 * (1 + 0.1 * 500 / 10000) = 0.2 * 1.005.
  EXPECT_NEAR(NextKlCoefficient(0.2, 6.6, 500, kOptions), 0.201, 1e-15);
  // Error -0.05.
  EXPECT_NEAR(NextKlCoefficient(0.2, 5.7, 500, kOptions), 0.1995, 1e-15);
}

TEST(KlControllerTest, OneUpdateMovesItByAFifthPerHorizonAtMost) {
  EXPECT_NEAR(NextKlCoefficient(1, 1000, 10'000, kOptions), 1.2, 1e-15);
  EXPECT_NEAR(NextKlCoefficient(1, -1000, 10'000, kOptions), 0.8, 1e-15);
}

TEST(KlControllerTest, ABatchBeyondTheHorizonCountsAsOne) {
  EXPECT_NEAR(NextKlCoefficient(1, 0, 1'000'000, kOptions), 0.8, 1e-15);
}

}  // namespace
}  // namespace rlhf
