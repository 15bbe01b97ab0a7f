#include "trainer/ppo/ppo_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include "core/base/check.h"
#include "trainer/ppo/kl_estimators.h"

namespace rlhf {

PpoLoss ComputePpoLoss(const PpoTokens& tokens, const PpoLossOptions& options) {
  const double epsilon = options.clip_epsilon;
  RLHF_CHECK(epsilon > 0 && epsilon < 1) << epsilon;
  RLHF_CHECK(options.dual_clip == 0 || options.dual_clip > 1)
      << options.dual_clip;
  RLHF_CHECK(tokens.old_logprob_N.sizes() == tokens.logprob_N.sizes())
      << tokens.old_logprob_N.sizes() << ", " << tokens.logprob_N.sizes();
  RLHF_CHECK(tokens.advantage_N.sizes() == tokens.logprob_N.sizes())
      << tokens.advantage_N.sizes() << ", " << tokens.logprob_N.sizes();
  RLHF_CHECK(!tokens.weight_N.defined() ||
             tokens.weight_N.sizes() == tokens.logprob_N.sizes())
      << tokens.weight_N.sizes() << ", " << tokens.logprob_N.sizes();

  const at::Tensor ratio_N = (tokens.logprob_N - tokens.old_logprob_N).exp();
  const at::Tensor clipped_ratio_N = ratio_N.clamp(1 - epsilon, 1 + epsilon);
  const at::Tensor unclipped_N = ratio_N * tokens.advantage_N;
  const at::Tensor clipped_N = clipped_ratio_N * tokens.advantage_N;
  at::Tensor surrogate_N = unclipped_N.minimum(clipped_N);
  at::Tensor is_clipped_N = clipped_N < unclipped_N;
  if (options.dual_clip > 0) {
    const at::Tensor bound_N = options.dual_clip * tokens.advantage_N;
    // With A >= 0 the bound lies above what the first clip allows.
    const at::Tensor is_bounded_N =
        (tokens.advantage_N < 0).logical_and(surrogate_N < bound_N);
    surrogate_N = at::where(is_bounded_N, bound_N, surrogate_N);
    is_clipped_N = is_clipped_N.logical_or(is_bounded_N);
  }
  const at::Tensor ratio_offset_N = ratio_N.detach() - 1;
  if (tokens.weight_N.defined()) surrogate_N = surrogate_N * tokens.weight_N;
  return {.loss_sum = -surrogate_N.sum(),
          .clip_count = is_clipped_N.sum(),
          .approx_kl_sum =
              KlK3(tokens.old_logprob_N, tokens.logprob_N.detach()).sum(),
          .ratio_offset_sum = ratio_offset_N.sum(),
          .ratio_offset_square_sum = ratio_offset_N.square().sum(),
          .num_tokens = ratio_N.numel()};
}

}  // namespace rlhf
