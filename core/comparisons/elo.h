// PM score, win rate and Elo are one scale in three units (Bai et al. 2022,
// eq. 2.1): a PM score difference is the log-odds of winning, and an Elo
// difference is 400 / ln 10 = 173.7 times that.
//
// Every difference is own minus opponent's, so that a positive one wins. (The
// paper prints opponent minus own.)
#pragma once

namespace rlhf {

double EloFromPm(double pm_difference);
double PmFromElo(double elo_difference);

// In (0, 1) for any finite difference that float64 can tell from the ends.
double WinRateFromPm(double pm_difference);
double WinRateFromElo(double elo_difference);

// `win_rate` is in [0, 1], else they die; 0 and 1 give minus and plus infinity.
double PmFromWinRate(double win_rate);
double EloFromWinRate(double win_rate);

}  // namespace rlhf
