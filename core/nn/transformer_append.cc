#include <ATen/ops/arange.h>

#include <memory>
#include <utility>

#include "core/base/check.h"
#include "core/nn/append_attention.h"
#include "core/nn/pass_attention.h"
#include "core/nn/pointwise.h"
#include "core/nn/rotary.h"
#include "core/nn/transformer.h"

namespace rlhf {

at::Tensor Transformer::Append(const at::Tensor& token_T, int64_t row,
                               KvCache& cache) const {
  class Appending final : public Attention {
   public:
    Appending(AttentionAppend plan, KvCache& cache, RotaryTable rotary)
        : plan_(std::move(plan)), cache_(cache), rotary_(std::move(rotary)) {}
    at::Tensor operator()(int64_t layer, const at::Tensor& query,
                          const at::Tensor& key,
                          const at::Tensor& value) const override {
      return AppendAttention(plan_, ApplyRotary(query, rotary_),
                             ApplyRotary(key, rotary_), value,
                             cache_.key(layer), cache_.value(layer));
    }

   private:
    const AttentionAppend plan_;
    KvCache& cache_;
    const RotaryTable rotary_;
  };
  const int64_t count = token_T.size(0);
  RLHF_CHECK(row >= 0 && row < cache.num_rows()) << row;
  const int64_t begin = cache.lengths()[row];
  RLHF_CHECK(count > 0 && begin + count <= cache.max_tokens()) << count;
  const at::Tensor position_T =
      at::arange(begin, begin + count, at::TensorOptions(at::kLong))
          .to(device());
  const at::Tensor hidden_TD =
      Run(token_T, std::make_shared<const Appending>(
                       PlanAppend(row, begin, count, ActivationOptions()),
                       cache, MakeRotaryTable(config_, position_T)));
  cache.Advance(row, count);
  return hidden_TD.narrow(0, count - 1, 1);
}

}  // namespace rlhf
