#include "trainer/ppo/ppo_loss.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"
#include "trainer/ppo/kl_estimators.h"

namespace rlhf {

PpoLoss ComputePpoLoss(const PpoTokens& tokens, double clip_epsilon) {
  RLHF_CHECK(clip_epsilon > 0 && clip_epsilon < 1) << clip_epsilon;
  RLHF_CHECK(tokens.old_logprob_N.sizes() == tokens.logprob_N.sizes())
      << tokens.old_logprob_N.sizes() << ", " << tokens.logprob_N.sizes();
  RLHF_CHECK(tokens.advantage_N.sizes() == tokens.logprob_N.sizes())
      << tokens.advantage_N.sizes() << ", " << tokens.logprob_N.sizes();

  const at::Tensor ratio_N = (tokens.logprob_N - tokens.old_logprob_N).exp();
  const at::Tensor clipped_ratio_N =
      ratio_N.clamp(1 - clip_epsilon, 1 + clip_epsilon);
  const at::Tensor unclipped_N = ratio_N * tokens.advantage_N;
  const at::Tensor clipped_N = clipped_ratio_N * tokens.advantage_N;
  return {.loss_sum = -unclipped_N.minimum(clipped_N).sum(),
          .clip_count = (clipped_N < unclipped_N).sum(),
          .approx_kl_sum =
              KlK3(tokens.old_logprob_N, tokens.logprob_N.detach()).sum(),
          .num_tokens = ratio_N.numel()};
}

}  // namespace rlhf
