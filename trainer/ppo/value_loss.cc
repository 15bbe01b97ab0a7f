#include "trainer/ppo/value_loss.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"

namespace rlhf {

ValueLoss ComputeValueLoss(const ValueTokens& tokens, double clip_epsilon) {
  RLHF_CHECK(clip_epsilon > 0) << clip_epsilon;
  RLHF_CHECK(tokens.old_value_N.sizes() == tokens.value_N.sizes())
      << tokens.old_value_N.sizes() << ", " << tokens.value_N.sizes();
  RLHF_CHECK(tokens.return_N.sizes() == tokens.value_N.sizes())
      << tokens.return_N.sizes() << ", " << tokens.value_N.sizes();

  const at::Tensor clipped_value_N = tokens.value_N.clamp(
      tokens.old_value_N - clip_epsilon, tokens.old_value_N + clip_epsilon);
  const at::Tensor unclipped_N = (tokens.value_N - tokens.return_N).square();
  const at::Tensor clipped_N = (clipped_value_N - tokens.return_N).square();
  return {.loss_sum = unclipped_N.maximum(clipped_N).sum() * 0.5,
          .clip_count = (clipped_N > unclipped_N).sum(),
          .num_tokens = tokens.value_N.numel()};
}

}  // namespace rlhf
