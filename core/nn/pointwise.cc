#include "core/nn/pointwise.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/nn/pointwise_kernels.h"

namespace rlhf {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows that one call of a loop works on: what is summed over rows is summed in
// these blocks, so that the number of threads changes nothing.
constexpr int64_t kBlock = 32;

// Whether the loops of pointwise_kernels.h can be used; else LibTorch's
// operations are.
bool HasLoops(const at::Tensor& x) {
  return x.is_cpu() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Rows as float32, whatever they are: of a float32 tensor its own memory, of a
// bfloat16 one a copy, which Write puts back.
class Rows {
 public:
  explicit Rows(const at::Tensor& contiguous)
      : width_(contiguous.size(-1)),
        floats_(contiguous.scalar_type() == at::kFloat
                    ? contiguous.data_ptr<float>()
                    : nullptr),
        halves_(floats_ == nullptr ? contiguous.data_ptr<at::BFloat16>()
                                   : nullptr) {}

  // `buffer` has `width` numbers, and is used if it must be.
  float* Read(int64_t row, float* buffer) const {
    if (floats_ != nullptr) return floats_ + row * width_;
    WidenRow(halves_ + row * width_, width_, buffer);
    return buffer;
  }
  float* Target(int64_t row, float* buffer) const {
    return floats_ != nullptr ? floats_ + row * width_ : buffer;
  }
  // `from` is what Target gave.
  void Write(int64_t row, const float* from) const {
    if (floats_ == nullptr) NarrowRow(from, width_, halves_ + row * width_);
  }

 private:
  const int64_t width_;
  float* const floats_;
  at::BFloat16* const halves_;
};

// Calls f(block, row, buffers) for each row: blocks in parallel, the rows of a
// block in order. Each of the N buffers has `width` numbers.
template <size_t N, typename F>
void ForEachRow(int64_t rows, int64_t width, const F& f) {
  const int64_t num_blocks = (rows + kBlock - 1) / kBlock;
  at::parallel_for(0, num_blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> memory(N * static_cast<size_t>(width));
    std::array<float*, N> buffers;
    for (size_t i = 0; i < N; ++i) {
      buffers[i] = memory.data() + i * static_cast<size_t>(width);
    }
    for (int64_t block = begin; block < end; ++block) {
      const int64_t last = std::min(rows, (block + 1) * kBlock);
      for (int64_t row = block * kBlock; row < last; ++row) {
        f(block, row, buffers);
      }
    }
  });
}

int64_t NumRows(const at::Tensor& x) { return x.numel() / x.size(-1); }

at::Tensor InverseNorm(const at::Tensor& x, double eps) {
  return x.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
}

at::Tensor Normalize(const at::Tensor& x, const at::Tensor& weight,
                     double eps) {
  if (!HasLoops(x)) {
    const at::Tensor exact = x.to(at::kFloat);
    return exact.mul(InverseNorm(exact, eps)).mul_(weight).to(x.scalar_type());
  }
  const at::Tensor in = x.contiguous(), factor = weight.to(at::kFloat);
  const at::Tensor out = at::empty_like(in);
  const Rows from(in), to(out);
  ForEachRow<2>(
      NumRows(in), in.size(-1), [&](int64_t, int64_t row, const auto& buffers) {
        float* const target = to.Target(row, buffers[1]);
        RmsNormRow(from.Read(row, buffers[0]), factor.const_data_ptr<float>(),
                   static_cast<float>(eps), in.size(-1), target);
        to.Write(row, target);
      });
  return out;
}

// The gradients of x and of the weight, both float32 if x is.
std::pair<at::Tensor, at::Tensor> NormalizeGradients(
    const at::Tensor& x, const at::Tensor& weight, double eps,
    const at::Tensor& upstream) {
  if (!HasLoops(x)) {
    const at::Tensor exact = x.to(at::kFloat);
    const at::Tensor inverse = InverseNorm(exact, eps);
    const at::Tensor normed = exact * inverse;
    const at::Tensor gradient = upstream.to(at::kFloat);
    const at::Tensor weight_gradient =
        (gradient * normed).flatten(0, -2).sum(0);
    at::Tensor x_gradient = gradient * weight;
    const at::Tensor mean = (x_gradient * normed).mean(-1, /*keepdim=*/true);
    x_gradient.addcmul_(normed, mean, -1).mul_(inverse);
    return {x_gradient.to(x.scalar_type()), weight_gradient};
  }
  const at::Tensor in = x.contiguous(), gradient = upstream.contiguous();
  const at::Tensor factor = weight.to(at::kFloat);
  const at::Tensor x_gradient = at::empty_like(in);
  const int64_t rows = NumRows(in), width = in.size(-1);
  const at::Tensor by_block = at::zeros({(rows + kBlock - 1) / kBlock, width},
                                        in.options().dtype(at::kFloat));
  const Rows of_x(in), of_gradient(gradient), to(x_gradient);
  ForEachRow<3>(
      rows, width, [&](int64_t block, int64_t row, const auto& buffers) {
        float* const target = to.Target(row, buffers[2]);
        RmsNormGradientRow(
            of_x.Read(row, buffers[0]), factor.const_data_ptr<float>(),
            of_gradient.Read(row, buffers[1]), static_cast<float>(eps), width,
            target, by_block.data_ptr<float>() + block * width);
        to.Write(row, target);
      });
  return {x_gradient, by_block.sum(0)};
}

at::Tensor GatedUp(const at::Tensor& gate, const at::Tensor& up) {
  if (!HasLoops(gate)) return at::silu(gate).mul_(up);
  const at::Tensor a = gate.contiguous(), b = up.contiguous();
  const at::Tensor out = at::empty_like(a);
  const Rows of_gate(a), of_up(b), to(out);
  ForEachRow<3>(NumRows(a), a.size(-1),
                [&](int64_t, int64_t row, const auto& buffers) {
                  float* const target = to.Target(row, buffers[2]);
                  SwigluRow(of_gate.Read(row, buffers[0]),
                            of_up.Read(row, buffers[1]), a.size(-1), target);
                  to.Write(row, target);
                });
  return out;
}

std::pair<at::Tensor, at::Tensor> GatedUpGradients(const at::Tensor& gate,
                                                   const at::Tensor& up,
                                                   const at::Tensor& upstream) {
  if (!HasLoops(gate)) {
    return {at::silu_backward(upstream * up, gate),
            at::silu(gate).mul_(upstream)};
  }
  const at::Tensor a = gate.contiguous(), b = up.contiguous();
  const at::Tensor gradient = upstream.contiguous();
  const at::Tensor gate_gradient = at::empty_like(a);
  const at::Tensor up_gradient = at::empty_like(b);
  const Rows of_gate(a), of_up(b), of_gradient(gradient);
  const Rows to_gate(gate_gradient), to_up(up_gradient);
  ForEachRow<5>(
      NumRows(a), a.size(-1), [&](int64_t, int64_t row, const auto& buffers) {
        float* const first = to_gate.Target(row, buffers[3]);
        float* const second = to_up.Target(row, buffers[4]);
        SwigluGradientRow(
            of_gate.Read(row, buffers[0]), of_up.Read(row, buffers[1]),
            of_gradient.Read(row, buffers[2]), a.size(-1), first, second);
        to_gate.Write(row, first);
        to_up.Write(row, second);
      });
  return {gate_gradient, up_gradient};
}

// By the table's angles, or back (`direction` -1). x is [T, heads, W].
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos,
                  const at::Tensor& sin, double direction) {
  const int64_t width = x.size(-1), half = width / 2;
  if (!HasLoops(x)) {
    const auto first = [half](const at::Tensor& t) {
      return t.narrow(-1, 0, half);
    };
    const auto second = [half](const at::Tensor& t) {
      return t.narrow(-1, half, half);
    };
    const at::Tensor sine = sin.to(x.scalar_type());
    const at::Tensor rotated = x * cos.to(x.scalar_type());
    first(rotated).addcmul_(second(x), first(sine), -direction);
    second(rotated).addcmul_(first(x), second(sine), direction);
    return rotated;
  }
  const int64_t heads = x.size(1);
  const at::Tensor in = x.contiguous().flatten(1);
  const at::Tensor out = at::empty_like(in);
  const Rows from(in), to(out);
  ForEachRow<2>(
      in.size(0), in.size(1), [&](int64_t, int64_t row, const auto& buffers) {
        float* const target = to.Target(row, buffers[1]);
        RotateRow(from.Read(row, buffers[0]),
                  cos.const_data_ptr<float>() + row * width,
                  sin.const_data_ptr<float>() + row * width,
                  static_cast<float>(direction), heads, width, target);
        to.Write(row, target);
      });
  return out.view(x.sizes());
}

class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    return Normalize(x, weight, eps);
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [of_x, of_weight] =
        NormalizeGradients(saved[0], saved[1],
                           context->saved_data["eps"].toDouble(), gradients[0]);
    return {of_x, of_weight.to(saved[1].scalar_type()), at::Tensor()};
  }
};

class SwigluFunction : public torch::autograd::Function<SwigluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return GatedUp(gate, up);
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [of_gate, of_up] =
        GatedUpGradients(saved[0], saved[1], gradients[0]);
    return {of_gate, of_up};
  }
};

// Keeps the angles alone: a rotation's gradient is rotated back.
class RotaryFunction : public torch::autograd::Function<RotaryFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return Rotate(x, cos, sin, 1);
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {Rotate(gradients[0], saved[0], saved[1], -1), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return c10::GradMode::is_enabled() ? RmsNormFunction::apply(x, weight, eps)
                                     : Normalize(x, weight, eps);
}

at::Tensor Swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return c10::GradMode::is_enabled() ? SwigluFunction::apply(gate, up)
                                     : GatedUp(gate, up);
}

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table) {
  return c10::GradMode::is_enabled()
             ? RotaryFunction::apply(x, table.cos, table.sin)
             : Rotate(x, table.cos, table.sin, 1);
}

}  // namespace rlhf
