#include "actor/staged_prompt.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace rlhf {

void StagedPrompt::Begin(const Transformer& model,
                         std::vector<int32_t> prompt_ids, KvCache& like) {
  Clear();
  prompt_ids_ = std::move(prompt_ids);
  cache_.emplace(model.config(), /*max_rows=*/1,
                 static_cast<int64_t>(prompt_ids_.size()),
                 like.key(0).options());
  cache_->AddRow();
}

int64_t StagedPrompt::Advance(const Transformer& model, int64_t max_tokens) {
  RLHF_CHECK(cache_.has_value() && !complete() && max_tokens > 0);
  const int64_t begin = cache_->lengths()[0];
  const auto size = static_cast<int64_t>(prompt_ids_.size());
  const int64_t count = std::min(max_tokens, size - begin);
  const std::vector<int64_t> tokens(prompt_ids_.begin() + begin,
                                    prompt_ids_.begin() + begin + count);
  const at::Tensor hidden_1D = model.Append(
      at::tensor(tokens, at::TensorOptions(at::kLong)).to(model.device()),
      /*row=*/0, *cache_);
  if (begin + count == size) logit_1V_ = model.Logits(hidden_1D);
  return count;
}

void StagedPrompt::Clear() {
  prompt_ids_.clear();
  cache_.reset();
  logit_1V_ = at::Tensor();
}

}  // namespace rlhf
