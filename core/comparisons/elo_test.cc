#include "core/comparisons/elo.h"

#include <cmath>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// The definitions, written out: win = 1 / (1 + 10^(-elo / 400)) and
// win = 1 / (1 + e^-pm).
TEST(EloTest, ThreeUnitsAgree) {
  for (const double pm : {0.5, 1.0, 2.0}) {
    const double elo = EloFromPm(pm);
    EXPECT_NEAR(WinRateFromElo(elo), 1 / (1 + std::pow(10, -elo / 400)), 1e-9);
    EXPECT_NEAR(WinRateFromPm(pm), 1 / (1 + std::exp(-pm)), 1e-9);
    EXPECT_NEAR(WinRateFromElo(elo), WinRateFromPm(pm), 1e-9);
  }
}

// Score differences 0.5, 1 and 2 are 62.25 %, 73.11 % and 88.08 % wins, and
// 86.9, 173.7 and 347.4 Elo (Bai et al. 2022, eq. 2.1, to more digits).
TEST(EloTest, MatchesPublishedValues) {
  EXPECT_NEAR(WinRateFromPm(0.5), 0.6224593312018546, 1e-9);
  EXPECT_NEAR(WinRateFromPm(1), 0.7310585786300049, 1e-9);
  EXPECT_NEAR(WinRateFromPm(2), 0.8807970779778823, 1e-9);
  EXPECT_NEAR(EloFromPm(0.5), 86.85889638065037, 1e-9);
  EXPECT_NEAR(EloFromPm(1), 173.71779276130073, 1e-9);
  EXPECT_NEAR(EloFromPm(2), 347.43558552260146, 1e-9);
  // 57 % is +49 Elo.
  EXPECT_NEAR(EloFromWinRate(0.57), 49, 0.05);
}

TEST(EloTest, ConversionsAreInverse) {
  for (const double pm : {-3.0, 0.0, 0.25, 7.0}) {
    EXPECT_NEAR(PmFromElo(EloFromPm(pm)), pm, 1e-9);
    EXPECT_NEAR(PmFromWinRate(WinRateFromPm(pm)), pm, 1e-9);
    EXPECT_NEAR(EloFromWinRate(WinRateFromElo(EloFromPm(pm))), EloFromPm(pm),
                1e-9);
  }
}

TEST(EloTest, TheOpponentSeesTheOpposite) {
  EXPECT_NEAR(WinRateFromPm(1.3) + WinRateFromPm(-1.3), 1, 1e-12);
  EXPECT_DOUBLE_EQ(EloFromWinRate(0.5), 0);
  EXPECT_NEAR(EloFromWinRate(0.3), -EloFromWinRate(0.7), 1e-9);
}

TEST(EloTest, AllWinsAreInfinite) {
  EXPECT_EQ(EloFromWinRate(1), INFINITY);
  EXPECT_EQ(EloFromWinRate(0), -INFINITY);
}

TEST(EloDeathTest, DiesOnAWinRateAboveOne) {
  EXPECT_DEATH(EloFromWinRate(1.5), "1.5");
}

}  // namespace
}  // namespace rlhf
