#include "trainer/preference/pair_scores.h"

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"

namespace rlhf {
namespace {

uint64_t HashOf(const std::vector<int32_t>& tokens) {
  return Xxh3(absl::string_view(reinterpret_cast<const char*>(tokens.data()),
                                tokens.size() * sizeof(int32_t)));
}

// The same for whoever judges the two, and however.
void NamePair(const PmExample& example, MeasuredPair& pair) {
  pair.first_chosen = example.chosen < example.rejected;
  const uint64_t chosen = HashOf(example.chosen);
  const uint64_t rejected = HashOf(example.rejected);
  pair.pair =
      pair.first_chosen ? MixHash(chosen, rejected) : MixHash(rejected, chosen);
}

}  // namespace

std::vector<std::vector<int32_t>> BothSides(
    const std::vector<PmExample>& examples) {
  std::vector<std::vector<int32_t>> sequences;
  for (const PmExample& example : examples) {
    sequences.push_back(example.chosen);
    sequences.push_back(example.rejected);
  }
  return sequences;
}

std::vector<MeasuredPair> PairUp(const std::vector<PmExample>& examples,
                                 const std::vector<float>& scores) {
  RLHF_CHECK(scores.size() == 2 * examples.size());
  std::vector<MeasuredPair> pairs;
  for (size_t i = 0; i < examples.size(); ++i) {
    pairs.push_back(
        {.chosen_score = scores[2 * i],
         .rejected_score = scores[2 * i + 1],
         .chosen_tokens = static_cast<int64_t>(examples[i].chosen.size()),
         .rejected_tokens = static_cast<int64_t>(examples[i].rejected.size()),
         .slices = examples[i].slices,
         .worker = examples[i].is_edit ? "" : examples[i].worker,
         .tranche = examples[i].tranche});
    NamePair(examples[i], pairs.back());
  }
  return pairs;
}

absl::StatusOr<std::vector<MeasuredPair>> ScorePairs(
    const Transformer& model, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens) {
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<float> scores,
      ScoreSequences(model, BothSides(examples), micro_batch_tokens));
  return PairUp(examples, scores);
}

}  // namespace rlhf
