// What the reward server has scored before, so that it need not again.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "reward_server/pm_scores.h"
#include "reward_server/score_cache.h"

namespace rlhf {

// A request's scores as far as they are known.
struct KnownScores {
  // One for each dialogue and member; 0 where it is missing.
  PmScores scores;
  // The indices of those that must be scored, in order.
  std::vector<size_t> missing;
};

// A score is known by the PM's version and digest and by the tokens that the PM
// reads: the same dialogue as text and as tokens is one.
KnownScores FindScores(const LoadedPm& pm,
                       absl::Span<const std::vector<int32_t>> sequences,
                       ScoreCache& cache);

// Keeps the scores of `sequences` by `pm`.
void KeepScores(const LoadedPm& pm,
                absl::Span<const std::vector<int32_t>> sequences,
                const PmScores& scores, ScoreCache& cache);

}  // namespace rlhf
