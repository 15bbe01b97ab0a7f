// Some of a model's weights laid end to end and cut into one equal share per
// rank: the unit that is gathered before use and dropped after it.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

// Not thread-safe.
class FlatBlock {
 public:
  struct Layout {
    int rank = 0;
    int world_size = 1;
    // Of the whole weights, while they are there.
    at::ScalarType dtype = at::kFloat;
    // Where the share is kept and the whole weights appear.
    at::Device device = at::kCPU;
    // Gradients are wanted: this rank's share is float32 and a leaf.
    bool trained = true;
  };

  // Copies this rank's share of `tensors`, which may be freed then. `name` is
  // for messages: "layer 3 of policy".
  FlatBlock(std::string name, const NamedTensors& tensors,
            const Layout& layout);

  const std::string& name() const { return name_; }

  // [elements / ranks, rounded up]: what this rank keeps.
  const at::Tensor& share() const { return share_; }

  // The weights under their names and in their shapes; they always exist as
  // tensors, but have memory only between Allocate and Free.
  const NamedTensors& weights() const { return weights_; }

  // All shares, one after the other: what is gathered.
  const at::Tensor& flat() const { return flat_; }

  // Gives the weights memory and puts this rank's share into it.
  void Allocate();
  void Free();

  // Lays tensors that belong to weights() (some perhaps undefined: zeros) end
  // to end, as float32, with zeros in what is left of the last share.
  at::Tensor Flatten(const std::vector<at::Tensor>& tensors) const;

  // The part of a flat tensor that belongs to this rank.
  at::Tensor OwnPart(const at::Tensor& flat) const;

  // Cuts a flat tensor into tensors like weights(), which share its memory.
  NamedTensors Split(const at::Tensor& flat) const;

 private:
  const std::string name_;
  const Layout layout_;
  at::Tensor flat_, share_;
  NamedTensors weights_;
};

}  // namespace rlhf
