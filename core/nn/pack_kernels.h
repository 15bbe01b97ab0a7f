// Puts weights into the order of a panel (packed_linear.h).
#pragma once

#include <c10/util/BFloat16.h>

#include <cstddef>
#include <cstdint>

#include "core/nn/packed_linear.h"

namespace rlhf {

// The weights of one panel's outputs, row by row: `count` rows of `in` numbers;
// what is missing to kPanelOutputs is 0.
template <class Number>
struct PanelSource {
  const Number* rows;
  int64_t in;
  int64_t count;
};

// Writes the panel to `to`, aligned to 64 bytes; of kInt8 also the scale of
// each of kPanelOutputs outputs. On the calling thread.
void PackPanel(const PanelSource<float>& source, WeightFormat format,
               float* scale, std::byte* to);
void PackPanel(const PanelSource<c10::BFloat16>& source, WeightFormat format,
               float* scale, std::byte* to);

}  // namespace rlhf
