#include "core/nn/packed_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/base/hash.h"
#include "core/base/huge_buffer.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr WeightFormat kFormats[] = {
    WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8};

// Numbers in [-0.5, 0.5), always the same for the same seed.
at::Tensor Numbers(std::vector<int64_t> shape, uint64_t seed) {
  at::Tensor tensor = at::empty(shape);
  auto* const data = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    data[i] =
        static_cast<float>(MixHash(seed, static_cast<uint64_t>(i)) >> 40) *
            0x1p-24F -
        0.5F;
  }
  return tensor;
}

// Weights in a format, and the numbers that they stand for.
struct Weights {
  Weights(const at::Tensor& weight, const at::Tensor& bias, WeightFormat format)
      : buffer(PackedBytes(weight.size(0), weight.size(1), format)),
        packed(PackLinear(weight, bias, format, buffer.data())),
        bias(bias) {
    if (format == WeightFormat::kFloat32) {
      exact = weight;
    } else if (format == WeightFormat::kBfloat16) {
      exact = weight.to(at::kBFloat16).to(at::kFloat);
    } else {
      const at::Tensor scale =
          std::get<0>(weight.abs().max(1, /*keepdim=*/true)) / 127;
      exact = (weight / scale).nan_to_num(0).round() * scale;
    }
  }

  at::Tensor Product(const at::Tensor& x) const {
    return at::linear(x.to(at::kDouble), exact.to(at::kDouble),
                      bias.defined() ? bias.to(at::kDouble) : bias);
  }

  HugeBuffer buffer;
  PackedLinear packed;
  at::Tensor bias, exact;
};

double MostDifferent(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(PackedLinearTest, MultipliesAsTheWeightsThatItStandsFor) {
  for (const WeightFormat format : kFormats) {
    for (const int64_t in : {4, 128, 132, 576}) {
      for (const int64_t out : {1, 31, 32, 70}) {
        for (const bool with_bias : {false, true}) {
          const Weights weights(Numbers({out, in}, 1),
                                with_bias ? Numbers({out}, 2) : at::Tensor(),
                                format);
          for (const int64_t rows : {1, 2, 3, 7, 8, 9, 15, 33, 130}) {
            const at::Tensor x = Numbers({rows, in}, 3);
            EXPECT_LT(
                MostDifferent(Multiply(x, weights.packed), weights.Product(x)),
                2e-5)
                << rows << " x " << in << " x " << out << ", format "
                << static_cast<int>(format);
          }
        }
      }
    }
  }
}

// Asks for the panels 1 to 3 of 4.
void ExpectAPartIsWritten(WeightFormat format, int64_t rows, bool add) {
  const int64_t in = 64, out = 3 * kPanelOutputs + 7;
  const Weights weights(Numbers({out, in}, 1), Numbers({out}, 2), format);
  const at::Tensor x = Numbers({rows, in}, 3);
  at::Tensor expected = at::full({rows, out}, 3.0, at::kDouble);
  at::Tensor part = expected.slice(1, kPanelOutputs);
  const at::Tensor product = weights.Product(x).slice(1, kPanelOutputs);
  if (add) {
    part.add_(product);
  } else {
    part.copy_(product);
  }
  at::Tensor y = at::full({rows, out}, 3.0);
  MultiplyPanels(x.const_data_ptr<float>(), rows, weights.packed, 1, 4, add,
                 y.mutable_data_ptr<float>());
  EXPECT_LT(MostDifferent(y, expected), 2e-5);
}

TEST(PackedLinearTest, APartOfThePanelsIsWrittenOrAddedAndNothingElse) {
  for (const WeightFormat format : kFormats) {
    for (const int64_t rows : {5, 79}) {
      for (const bool add : {false, true}) {
        ExpectAPartIsWritten(format, rows, add);
      }
    }
  }
}

// What makes responses independent of the batch that they are sampled in.
TEST(PackedLinearTest, ARowsResultIsTheSameToTheBitWithAnyRowsBesideIt) {
  const int64_t rows = 331, in = 260, out = 96;
  const at::Tensor x = Numbers({rows, in}, 3);
  for (const WeightFormat format : kFormats) {
    const Weights weights(Numbers({out, in}, 1), {}, format);
    const at::Tensor all = Multiply(x, weights.packed);
    for (const int64_t count : {1, 2, 5, 8, 16, 33, 64, 65, 79, 200, 330}) {
      const at::Tensor some =
          Multiply(x.slice(0, rows - count), weights.packed);
      EXPECT_TRUE(at::equal(some, all.slice(0, rows - count))) << count;
    }
  }
}

TEST(PackedLinearTest, WeightsOfZeroAndOfLargestNumbersKeepTheirValues) {
  at::Tensor weight = at::full({3, 8}, 0.0);
  weight.select(0, 1).fill_(std::numeric_limits<float>::max() / 16);
  weight.select(0, 2).fill_(-1e-30);
  const at::Tensor x = at::full({1, 8}, 1.0);
  for (const WeightFormat format : kFormats) {
    const Weights weights(weight, {}, format);
    const at::Tensor y = Multiply(x, weights.packed);
    for (int64_t o = 0; o < 3; ++o) {
      const auto sum = weight[o].sum().item<float>();
      EXPECT_NEAR(y[0][o].item<float>(), sum, 0.005F * std::abs(sum)) << o;
    }
  }
}

TEST(PackedLinearTest, WeightsOfAnyDtypeArePacked) {
  const at::Tensor weight = Numbers({40, 16}, 1).to(at::kBFloat16);
  const at::Tensor x = Numbers({3, 16}, 2);
  const Weights narrow(weight, {}, WeightFormat::kBfloat16);
  const Weights wide(weight.to(at::kFloat), {}, WeightFormat::kFloat32);
  EXPECT_TRUE(at::equal(Multiply(x, narrow.packed), Multiply(x, wide.packed)));
  EXPECT_TRUE(
      at::equal(Multiply(x.to(at::kBFloat16), wide.packed),
                Multiply(x.to(at::kBFloat16).to(at::kFloat), wide.packed)));
}

}  // namespace
}  // namespace rlhf
