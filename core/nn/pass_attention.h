// How one pass through a transformer attends: the one thing in which its passes
// differ. Of core/nn/transformer*.cc alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/nn/transformer.h"

namespace rlhf {

class Transformer::Attention {
 public:
  virtual ~Attention() = default;
  // Queries [T, H, W], keys and values [T, K, W] of one layer, not yet rotated;
  // returns [T, H * W].
  virtual at::Tensor operator()(int64_t layer, const at::Tensor& query,
                                const at::Tensor& key,
                                const at::Tensor& value) const = 0;
};

}  // namespace rlhf
