// A parameter, or any tensor that is stored, sent or updated under a name.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace rlhf {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

using NamedTensors = std::vector<NamedTensor>;

}  // namespace rlhf
