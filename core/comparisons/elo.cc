#include "core/comparisons/elo.h"

#include <cmath>
#include <numbers>

#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr double kEloPerPm = 400 / std::numbers::ln10;

}  // namespace

double EloFromPm(double pm_difference) { return pm_difference * kEloPerPm; }

double PmFromElo(double elo_difference) { return elo_difference / kEloPerPm; }

double WinRateFromPm(double pm_difference) {
  return 1 / (1 + std::exp(-pm_difference));
}

double WinRateFromElo(double elo_difference) {
  return WinRateFromPm(PmFromElo(elo_difference));
}

double PmFromWinRate(double win_rate) {
  RLHF_CHECK(win_rate >= 0 && win_rate <= 1) << win_rate;
  return std::log(win_rate) - std::log1p(-win_rate);
}

double EloFromWinRate(double win_rate) {
  return EloFromPm(PmFromWinRate(win_rate));
}

}  // namespace rlhf
