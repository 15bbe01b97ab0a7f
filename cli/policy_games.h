// A run's comparisons as games of its policies, and what people's choices make
// of them.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/elo_report.h"
#include "core/comparisons/elo_fit.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Comparisons of two known versions, decided or not. The rest is counted.
struct PolicyGames {
  std::vector<v1::Comparison> comparisons;
  std::set<int64_t> versions;
  IgnoredComparisons ignored;
};

// Adds the comparison to `games`, if it is one; with its texts if PMs are to
// read them.
void AddGame(const v1::Comparison& comparison, bool with_texts,
             PolicyGames& games);

// The comparison as a game that one side won or, if `unsure`, nobody did.
EloGame GameOf(const v1::Comparison& comparison, bool a_won, bool unsure);

// Errors: as FitElo.
absl::StatusOr<EloColumn> RateByPeople(const PolicyGames& games, int64_t zero);

}  // namespace rlhf
