#include "reward_server/pm_scores.h"

#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"

namespace rlhf {
namespace {

std::vector<float> Part(const std::vector<float>& scores, size_t begin,
                        size_t count) {
  const auto first = scores.begin() + static_cast<ptrdiff_t>(begin);
  return {first, first + static_cast<ptrdiff_t>(count)};
}

}  // namespace

absl::StatusOr<PmScores> ScoreDialogues(
    const LoadedPm& pm, absl::Span<const std::vector<int32_t>> sequences,
    int64_t max_tokens) {
  std::vector<std::vector<float>> by_member;
  for (const Transformer& model : pm.models) {
    RLHF_ASSIGN_OR_RETURN(by_member.emplace_back(),
                          ScoreSequences(model, sequences, max_tokens));
  }
  PmScores scores = {.combined = CombineScores(pm.members, by_member)};
  if (by_member.size() > 1) scores.by_member = std::move(by_member);
  return scores;
}

PmScores Part(const PmScores& scores, size_t begin, size_t count) {
  PmScores part = {.combined = Part(scores.combined, begin, count)};
  for (const std::vector<float>& member : scores.by_member) {
    part.by_member.push_back(Part(member, begin, count));
  }
  return part;
}

}  // namespace rlhf
