#include "trainer/preference/pair_scores.h"

#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"

namespace rlhf {

absl::StatusOr<std::vector<MeasuredPair>> ScorePairs(
    const Transformer& model, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens) {
  std::vector<MeasuredPair> pairs;
  if (examples.empty()) return pairs;
  std::vector<std::vector<int32_t>> sequences;
  for (const PmExample& example : examples) {
    sequences.push_back(example.chosen);
    sequences.push_back(example.rejected);
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<float> scores,
                        ScoreSequences(model, sequences, micro_batch_tokens));
  for (size_t i = 0; i < examples.size(); ++i) {
    pairs.push_back(
        {.chosen_score = scores[2 * i],
         .rejected_score = scores[2 * i + 1],
         .chosen_tokens = static_cast<int64_t>(examples[i].chosen.size()),
         .rejected_tokens = static_cast<int64_t>(examples[i].rejected.size()),
         .slices = examples[i].slices});
  }
  return pairs;
}

}  // namespace rlhf
