#include "trainer/off_policy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "core/base/status_macros.h"

namespace rlhf {

OffPolicyWeights WeighByStaleness(const v1::PpoConfig& config,
                                  const std::vector<PpoSample>& batch,
                                  const OwnRewards& own,
                                  const at::Tensor& logprob_N) {
  const double cap = config.behaviour_weight_cap();
  const auto count = static_cast<double>(logprob_N.numel());
  OffPolicyWeights weights = {
      .weight_N = {},
      .sums = {.num_tokens = count, .sum = count, .sum_of_squares = count}};
  const bool any_stale =
      std::any_of(own.samples.begin(), own.samples.end(),
                  [&](int64_t i) { return batch[i].staleness > 0; });
  if (cap == 0 || !any_stale ||
      config.algorithm() == v1::PpoConfig::BEST_OF_K) {
    return weights;
  }
  std::vector<at::Tensor> parts;
  BehaviourWeightSums sums;
  int64_t begin = 0;
  for (size_t k = 0; k < own.samples.size(); ++k) {
    const PpoSample& sample = batch[own.samples[k]];
    const at::Tensor ours = logprob_N.narrow(0, begin, own.lengths[k]);
    begin += own.lengths[k];
    parts.push_back(
        sample.staleness == 0
            ? at::ones({own.lengths[k]}, at::TensorOptions(at::kFloat))
            : ComputeBehaviourWeights(ours,
                                      at::tensor(sample.behaviour_logprobs,
                                                 at::TensorOptions(at::kFloat)),
                                      cap));
    const BehaviourWeightSums part = SumBehaviourWeights(parts.back(), cap);
    sums.num_tokens += part.num_tokens;
    sums.sum += part.sum;
    sums.sum_of_squares += part.sum_of_squares;
    sums.num_capped += sample.staleness == 0 ? 0 : part.num_capped;
  }
  return {.weight_N = at::cat(parts), .sums = sums};
}

absl::Status ReportWeights(BehaviourWeightSums sums, Communicator& communicator,
                           v1::UpdateReport& report) {
  RLHF_RETURN_IF_ERROR(communicator.SumNumbers(
      {&sums.num_tokens, &sums.sum, &sums.sum_of_squares, &sums.num_capped}));
  const BehaviourWeightSummary summary = SummarizeBehaviourWeights(sums);
  report.set_behaviour_weight_mean(summary.mean);
  report.set_behaviour_weight_capped_share(summary.capped_share);
  report.set_behaviour_effective_share(summary.effective_share);
  return absl::OkStatus();
}

}  // namespace rlhf
