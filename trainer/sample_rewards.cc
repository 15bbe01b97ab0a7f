#include "trainer/sample_rewards.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "trainer/ppo/kl_penalty.h"

namespace rlhf {
namespace {

KlEstimator EstimatorOf(const v1::PpoConfig& config) {
  switch (config.kl_estimator()) {
    case v1::PpoConfig::K1:
      return KlEstimator::kK1;
    case v1::PpoConfig::K2:
      return KlEstimator::kK2;
    case v1::PpoConfig::K3:
      break;
  }
  return KlEstimator::kK3;
}

}  // namespace

at::Tensor TokenRewards(const v1::PpoConfig& config, double kl_coefficient,
                        const std::vector<PpoSample>& batch,
                        const OwnRewards& own,
                        const BatchEvaluation& evaluation) {
  std::vector<float> scores;
  std::vector<int64_t> ended;
  for (const int64_t i : own.samples) {
    scores.push_back(static_cast<float>(batch[i].score));
    ended.push_back(batch[i].ended ? 1 : 0);
  }
  return ComputeTokenRewards(
      {.logprob_N = evaluation.logprob_N,
       .ref_logprob_N = evaluation.ref_logprob_N,
       .score_S = at::tensor(scores, at::TensorOptions(at::kFloat)),
       .ended_S =
           at::tensor(ended, at::TensorOptions(at::kLong)).to(at::kBool)},
      own.lengths,
      {.kl_coefficient = kl_coefficient,
       .estimator = EstimatorOf(config),
       .missing_eos_penalty = config.missing_eos_penalty()});
}

double BehaviourMismatch(const std::vector<PpoSample>& batch,
                         const OwnRewards& own, const at::Tensor& logprob_N) {
  double mismatch = 0;
  int64_t begin = 0;
  for (size_t k = 0; k < own.samples.size(); ++k) {
    const at::Tensor theirs =
        at::tensor(batch[own.samples[k]].behaviour_logprobs,
                   at::TensorOptions(at::kFloat));
    const at::Tensor ours = logprob_N.narrow(0, begin, own.lengths[k]);
    mismatch = std::max(mismatch, (ours - theirs).abs().max().item<double>());
    begin += own.lengths[k];
  }
  return mismatch;
}

}  // namespace rlhf
