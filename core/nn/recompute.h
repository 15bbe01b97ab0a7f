// Layers that keep only their input for the backward pass and compute the rest
// again; their weights may come and go with them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace rlhf {

// Where a model's weights are while no pass uses them. What it hands over is
// written into the model's own tensors. Not thread-safe; methods throw
// c10::Error like LibTorch itself.
class LayerWeights {
 public:
  enum class Direction { kForward, kBackward };

  virtual ~LayerWeights() = default;

  // Makes present what belongs to no layer (embedding, last norm, head), until
  // EndPass. Called before every pass; cheap if nothing is to be done.
  virtual void BeginPass() = 0;
  virtual void EndPass() = 0;

  // Makes the weights of `layer` present, until Release. The layer that comes
  // next in `direction` may be fetched meanwhile.
  virtual void Acquire(int64_t layer, Direction direction) = 0;
  virtual void Release(int64_t layer) = 0;

  // Takes over the gradients of the weights of `layer`, in their order.
  virtual void TakeGradients(int64_t layer,
                             std::vector<at::Tensor> gradients) = 0;
};

// Part of a model, from hidden states to hidden states.
struct RecomputedLayer {
  // Called once forward, and again backward; must give the same.
  std::function<at::Tensor(const at::Tensor&)> run;
  // The leaves that `run` uses.
  std::vector<at::Tensor> weights;
  // Null: the weights are always there, and get their gradients as usual.
  LayerWeights* store = nullptr;
  int64_t index = 0;
};

// layer.run(input), of which the autograd graph holds the input alone.
// Gradients are those of the plain call, bit for bit.
at::Tensor Recomputed(const at::Tensor& input,
                      std::shared_ptr<const RecomputedLayer> layer);

}  // namespace rlhf
