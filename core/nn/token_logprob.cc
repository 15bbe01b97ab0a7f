#include "core/nn/token_logprob.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <vector>

#include "core/base/check.h"

namespace rlhf {
namespace {

// 256 rows of a 50,000-token vocabulary are 50 MB.
constexpr int64_t kChunk = 256;

}  // namespace

TokenLogprobs ComputeTokenLogprobs(const Transformer& model,
                                   const at::Tensor& hidden_ND,
                                   const at::Tensor& target_N,
                                   double temperature) {
  RLHF_CHECK(temperature > 0) << temperature;
  const int64_t count = hidden_ND.size(0);
  RLHF_CHECK(target_N.size(0) == count && count > 0) << count;
  std::vector<at::Tensor> logprobs, entropies;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t size = std::min(kChunk, count - begin);
    const auto logit_NV =
        model.Logits(hidden_ND.narrow(0, begin, size)).to(at::kFloat) /
        temperature;
    const auto logprob_NV = at::log_softmax(logit_NV, /*dim=*/-1);
    logprobs.push_back(
        at::gather(logprob_NV, 1, target_N.narrow(0, begin, size).unsqueeze(1))
            .squeeze(1));
    const auto fixed_NV = logprob_NV.detach();
    entropies.push_back(-(fixed_NV.exp() * fixed_NV).sum(-1));
  }
  return {.logprob_N = at::cat(logprobs), .entropy_N = at::cat(entropies)};
}

}  // namespace rlhf
