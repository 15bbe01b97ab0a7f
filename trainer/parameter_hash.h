// One number for all weights: whether two runs, or two ranks, hold the same.
#pragma once

#include <string>

#include "core/comm/named_tensor.h"

namespace rlhf {

// xxh3 over the bytes of every tensor, chained in order with the names: 16
// hexadecimal digits. Equal for equal bits, whatever made them. Reads each byte
// once. Tensors are contiguous.
std::string ParameterHash(const NamedTensors& parameters);

}  // namespace rlhf
