#include "reward_server/pm_scores.h"

#include <algorithm>
#include <numeric>

#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"

namespace rlhf {
namespace {

std::vector<float> Part(const std::vector<float>& scores, size_t begin,
                        size_t count) {
  const auto first = scores.begin() + static_cast<ptrdiff_t>(begin);
  return {first, first + static_cast<ptrdiff_t>(count)};
}

void Place(const std::vector<float>& part, absl::Span<const size_t> where,
           std::vector<float>& scores) {
  for (size_t i = 0; i < where.size(); ++i) scores[where[i]] = part[i];
}

using Sequences = absl::Span<const std::vector<int32_t>>;

// Scores one member. Sorted by their tokens, sequences that begin alike stand
// side by side, and so in one group of ScoreSequences.
absl::StatusOr<std::vector<float>> ScoreMember(
    const Transformer& model, Sequences sequences, int64_t max_tokens,
    const std::function<absl::Status()>& go_on) {
  if (GroupByTokens(sequences, max_tokens).size() <= 1) {
    return ScoreSequences(model, sequences, max_tokens, go_on);
  }
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return sequences[a] < sequences[b];
  });
  std::vector<std::vector<int32_t>> sorted;
  for (const size_t s : order) sorted.push_back(sequences[s]);
  const auto part = ScoreSequences(model, sorted, max_tokens, go_on);
  // As they came, the error names the right one.
  if (!part.ok()) return ScoreSequences(model, sequences, max_tokens, go_on);
  std::vector<float> scores(sequences.size());
  Place(*part, order, scores);
  return scores;
}

}  // namespace

absl::StatusOr<PmScores> ScoreDialogues(
    const LoadedPm& pm, absl::Span<const std::vector<int32_t>> sequences,
    int64_t max_tokens, const std::function<absl::Status()>& go_on) {
  std::vector<std::vector<float>> by_member;
  for (const Transformer& model : pm.models) {
    RLHF_ASSIGN_OR_RETURN(by_member.emplace_back(),
                          ScoreMember(model, sequences, max_tokens, go_on));
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

void Place(const PmScores& part, absl::Span<const size_t> where,
           PmScores& scores) {
  Place(part.combined, where, scores.combined);
  for (size_t m = 0; m < scores.by_member.size(); ++m) {
    Place(part.by_member[m], where, scores.by_member[m]);
  }
}

}  // namespace rlhf
