// A model under training: the float32 weights that the optimizer changes, and
// the weights that the passes run on, which may be of a smaller dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/nn/transformer.h"

namespace rlhf {

// Not thread-safe.
class TrainedModel {
 public:
  // `model` is float32. All weights require gradients from here on.
  TrainedModel(Transformer model, at::ScalarType dtype);

  // What is trained, saved and published.
  const Transformer& weights() const { return weights_; }

  // What passes run on; the weights themselves if `dtype` is float32.
  const Transformer& working() const {
    return copy_.has_value() ? *copy_ : weights_;
  }

  // After a backward pass: adds the gradients of the working copy to those of
  // the weights, in float32.
  void CollectGradients();

  // After the weights changed.
  void RefreshCopy();

 private:
  Transformer weights_;
  std::optional<Transformer> copy_;  // none for float32
};

}  // namespace rlhf
