// Weights of linear layers in the order in which products of few rows read
// them, and these products, on the CPU.
//
// A panel holds the weights of kPanelOutputs outputs: for each input the
// weights of all of them side by side, so that one number of a row is
// multiplied with many weights at once and a panel is read from end to end.
//
// A sum runs over the inputs in their order, in float32, whatever the rows
// beside it: a row's result does not depend on how many there are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rlhf {

enum class WeightFormat {
  kFloat32,
  kBfloat16,
  // A whole number from -127 to 127 times the output's scale, which is its
  // largest weight / 127.
  kInt8,
};

inline constexpr int64_t kPanelOutputs = 32;
// Inputs are taken by so many at once.
inline constexpr int64_t kPanelInputs = 4;

struct PackedLinear {
  WeightFormat format = WeightFormat::kFloat32;
  int64_t in = 0;
  int64_t out = 0;
  // Not owned. NumPanels() of them; those that an output is missing for are 0.
  const std::byte* panels = nullptr;
  // By output, with 0 for those that are missing in the last panel: `scale` of
  // kInt8 alone, `bias` empty without one.
  std::vector<float> scale, bias;

  int64_t NumPanels() const {
    return (out + kPanelOutputs - 1) / kPanelOutputs;
  }
};

// Whether weights with so many inputs can be packed: those of every known model
// can.
inline bool CanPack(int64_t in) { return in % kPanelInputs == 0; }

// What the panels of weights [out, in] take, a multiple of 64.
size_t PackedBytes(int64_t out, int64_t in, WeightFormat format);

// Packs `weight` [out, in] and `bias` ([out] or undefined), on the CPU and of
// any floating dtype, into the PackedBytes at `to`, aligned to 64 bytes, which
// must live as long as what is returned. Dies unless CanPack(in).
PackedLinear PackLinear(const at::Tensor& weight, const at::Tensor& bias,
                        WeightFormat format, std::byte* to);

// y[r, o] = x[r] · weight[o] + bias[o] for the outputs of the panels `begin` to
// `end`, added to what is there if `add`. x is [rows, in], y [rows, out], both
// without gaps. On the calling thread.
void MultiplyPanels(const float* x, int64_t rows, const PackedLinear& linear,
                    int64_t begin, int64_t end, bool add, float* y);

// x [T, in] of any floating dtype to [T, out] in float32, on all threads.
at::Tensor Multiply(const at::Tensor& x, const PackedLinear& linear);

}  // namespace rlhf
