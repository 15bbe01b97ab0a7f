#include "trainer/preference/pairwise_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_sigmoid.h>

#include "core/base/check.h"

namespace rlhf {

PairwiseLoss ComputePairwiseLoss(const at::Tensor& chosen_score_P,
                                 const at::Tensor& rejected_score_P,
                                 const at::Tensor& weight_P) {
  RLHF_CHECK(chosen_score_P.dim() == 1 &&
             chosen_score_P.sizes() == rejected_score_P.sizes())
      << "scores of shapes " << chosen_score_P.sizes() << " and "
      << rejected_score_P.sizes();
  const at::Tensor margin_P = chosen_score_P - rejected_score_P;
  RLHF_CHECK(!weight_P.defined() || weight_P.sizes() == margin_P.sizes());
  const at::Tensor loss_P = -at::log_sigmoid(margin_P);
  return {.loss_sum = (weight_P.defined() ? loss_P * weight_P : loss_P).sum(),
          .correct_count = (margin_P > 0).sum(),
          .num_pairs = margin_P.numel()};
}

}  // namespace rlhf
