#include "reward_server/cached_scores.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// The version is in it beside the digest, which the weights of a PM's members
// are not part of (core/registry/model_registry.h leaves the card out).
std::string KeyOf(const LoadedPm& pm, const std::vector<int32_t>& sequence) {
  const absl::string_view tokens(reinterpret_cast<const char*>(sequence.data()),
                                 sequence.size() * sizeof(int32_t));
  return Sha256Hex(absl::StrCat(pm.version.version(), " ", pm.version.digest(),
                                " ", tokens));
}

}  // namespace

KnownScores FindScores(const LoadedPm& pm,
                       absl::Span<const std::vector<int32_t>> sequences,
                       ScoreCache& cache) {
  const size_t num_members = pm.models.size() > 1 ? pm.models.size() : 0;
  const std::vector<float> none(sequences.size());
  KnownScores known;
  known.scores.combined = none;
  known.scores.by_member.assign(num_members, none);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto found = cache.Find(KeyOf(pm, sequences[i]));
    if (!found.has_value()) {
      known.missing.push_back(i);
      continue;
    }
    known.scores.combined[i] = found->front();
    for (size_t m = 0; m < num_members; ++m) {
      known.scores.by_member[m][i] = (*found)[m + 1];
    }
  }
  return known;
}

void KeepScores(const LoadedPm& pm,
                absl::Span<const std::vector<int32_t>> sequences,
                const PmScores& scores, ScoreCache& cache) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    std::vector<float> of_one = {scores.combined[i]};
    for (const std::vector<float>& member : scores.by_member) {
      of_one.push_back(member[i]);
    }
    cache.Add(KeyOf(pm, sequences[i]), std::move(of_one));
  }
}

}  // namespace rlhf
