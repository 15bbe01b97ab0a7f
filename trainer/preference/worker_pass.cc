#include "trainer/preference/worker_pass.h"

#include <array>

#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "trainer/preference/pair_scores.h"

namespace rlhf {
namespace {

// So that the halves are none of those that other splits of prompts make.
constexpr uint64_t kHalves = 0x776f726b657273;

size_t HalfOf(const PmExample& example) {
  return MixHash(Xxh3(example.prompt_id), kHalves) % 2;
}

}  // namespace

absl::StatusOr<WorkerModel> FitWorkersByHalves(
    const std::vector<PmExample>& examples,
    const std::function<absl::StatusOr<Transformer>()>& start,
    const PmTrainerOptions& options, const PmProgress& progress) {
  std::array<std::vector<PmExample>, 2> halves;
  for (const PmExample& example : examples) {
    halves[HalfOf(example)].push_back(example);
  }
  if (halves[0].empty() || halves[1].empty()) return WorkerModel();
  std::vector<ScoredAnswer> answers;
  for (size_t half = 0; half < 2; ++half) {
    const std::vector<PmExample>& others = halves[1 - half];
    RLHF_ASSIGN_OR_RETURN(Transformer model, start());
    RLHF_RETURN_IF_ERROR(
        TrainPreferenceModel(model, halves[half], options, [&](double share) {
          return progress((static_cast<double>(half) + share) / 2);
        }).status());
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<MeasuredPair> pairs,
        ScorePairs(model, others, options.micro_batch_tokens));
    for (size_t i = 0; i < others.size(); ++i) {
      if (others[i].is_edit) continue;
      answers.push_back({.worker = others[i].worker,
                         .margin = pairs[i].margin(),
                         .chosen_side = others[i].chosen_side});
    }
  }
  return FitWorkers(answers);
}

}  // namespace rlhf
