// Elo of a run's policies as people read it: a table, JSON, a plot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/svg_plot.h"
#include "core/base/json.h"
#include "core/comparisons/elo_fit.h"

namespace rlhf {

// The ratings by one judge's choices; players are named by PolicyName.
struct EloColumn {
  // "people", "PM choices".
  std::string judge;
  EloFit fit;
  // Comparisons that people decided and this judge could not read.
  int64_t num_unreadable = 0;
  // ... and those of whose sides it thinks the same.
  int64_t num_equal = 0;
};

// Comparisons that are no game.
struct IgnoredComparisons {
  int64_t ties = 0;
  int64_t both_bad = 0;
  int64_t skipped = 0;
  // Both answers are of one version.
  int64_t one_version = 0;
  // A version is unknown: imported.
  int64_t unknown_version = 0;
  // Read before, in this file or another.
  int64_t duplicates = 0;
  // Records that are well-formed but name no preference.
  int64_t no_preference = 0;
};

struct EloReport {
  int64_t zero_version = 0;
  // All that played, ascending; every column has the same.
  std::vector<int64_t> versions;
  // At least one.
  std::vector<EloColumn> columns;
  IgnoredComparisons ignored;
};

// "policy v4".
std::string PolicyName(int64_t version);

// A row for each version with games, wins and win rate of the first column and
// every column's Elo with its 95 % interval; then why some have no rating, and
// what was ignored. The win rate is that against the zero version which follows
// from Elo.
std::string ToTable(const EloReport& report);

// Everything in it.
Json ToJson(const EloReport& report);

// Elo by version with intervals, a series for each column, and win rates
// against the zero version on the right (Bai et al. 2022, Fig. 1). Versions
// without a rating are left out.
Plot ToPlot(const EloReport& report);

}  // namespace rlhf
