#include "trainer/preference/pairwise_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_sigmoid.h>

#include "core/base/check.h"

namespace rlhf {

PairwiseLoss ComputePairwiseLoss(const at::Tensor& chosen_score_P,
                                 const at::Tensor& rejected_score_P,
                                 const at::Tensor& weight_P,
                                 const WorkerTerms& worker) {
  RLHF_CHECK(chosen_score_P.dim() == 1 &&
             chosen_score_P.sizes() == rejected_score_P.sizes())
      << "scores of shapes " << chosen_score_P.sizes() << " and "
      << rejected_score_P.sizes();
  const at::Tensor margin_P = chosen_score_P - rejected_score_P;
  RLHF_CHECK(!weight_P.defined() || weight_P.sizes() == margin_P.sizes());
  at::Tensor log_odds_P = margin_P;
  if (worker.temperature_P.defined()) {
    RLHF_CHECK(worker.temperature_P.sizes() == margin_P.sizes());
    log_odds_P = log_odds_P * worker.temperature_P;
  }
  if (worker.offset_P.defined()) {
    RLHF_CHECK(worker.offset_P.sizes() == margin_P.sizes());
    log_odds_P = log_odds_P + worker.offset_P;
  }
  const at::Tensor loss_P = -at::log_sigmoid(log_odds_P);
  return {.loss_sum = (weight_P.defined() ? loss_P * weight_P : loss_P).sum(),
          .correct_count = (margin_P > 0).sum(),
          .num_pairs = margin_P.numel()};
}

}  // namespace rlhf
