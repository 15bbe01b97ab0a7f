#include "core/nn/fused_decode.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/max.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/nn/kv_cache.h"
#include "core/nn/model_directory.h"
#include "core/nn/packed_batch.h"
#include "core/nn/transformer.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

float NumberAt(uint64_t key) {
  return static_cast<float>(MixHash(key, 7) >> 40) * 0x1p-24F - 0.5F;
}

struct Shape {
  int64_t rows, in, out, begin, end;
};

// What is outside [begin, end) stays as it was. Sums of so many numbers in
// [-0.5, 0.5), each rounded.
void ExpectTheProduct(const Shape& shape, bool add) {
  const auto [rows, in, out, begin, end] = shape;
  std::vector<float> x, weight, bias;
  for (int64_t i = 0; i < rows * in; ++i) x.push_back(NumberAt(i));
  for (int64_t i = 0; i < out * in; ++i) weight.push_back(NumberAt(99 + i));
  for (int64_t i = 0; i < out; ++i) bias.push_back(NumberAt(5000 + i));
  std::vector<float> y(static_cast<size_t>(rows * out), 3);
  MultiplyRows(
      x.data(), rows,
      {.weight = weight.data(), .bias = bias.data(), .in = in, .out = out},
      begin, end, add, y.data() + begin, out);
  const double tolerance = 1e-5 * std::max(1.0, static_cast<double>(in) / 64);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      double sum = 3;
      if (o >= begin && o < end) {
        sum = (add ? 3.0 : 0.0) + bias[o];
        for (int64_t i = 0; i < in; ++i) {
          sum += static_cast<double>(x[r * in + i]) * weight[o * in + i];
        }
      }
      ASSERT_NEAR(y[r * out + o], sum, tolerance)
          << rows << " x " << in << " to [" << begin << ", " << end << ") of "
          << out << " at " << r << ", " << o;
    }
  }
}

TEST(MultiplyRowsTest, IsTheProductForAnyShape) {
  for (const int64_t rows : {1, 3, 4, 5, 16}) {
    for (const int64_t in : {1, 15, 16, 17, 64}) {
      for (const bool add : {false, true}) {
        ExpectTheProduct({rows, in, /*out=*/11, /*begin=*/2, /*end=*/9}, add);
      }
    }
  }
}

// Whole panels of outputs, whole depths of inputs, and what is over.
TEST(MultiplyRowsTest, IsTheProductWherePanelsAndDepthsAreFull) {
  for (const int64_t rows : {1, 8, 9, 16}) {
    for (const int64_t in : {256, 257, 530}) {
      for (const int64_t out : {16, 32, 33, 70}) {
        for (const int64_t begin : {0, 5}) {
          for (const bool add : {false, true}) {
            ExpectTheProduct({rows, in, out, begin, out}, add);
          }
        }
      }
    }
  }
}

TEST(MultiplyRowsTest, ARangeFromOneThirdOfAPanelToAnother) {
  ExpectTheProduct({.rows = 9, .in = 257, .out = 70, .begin = 21, .end = 63},
                   false);
}

TEST(MultiplyRowsTest, NoOutputsChangeNothing) {
  ExpectTheProduct({.rows = 4, .in = 16, .out = 8, .begin = 3, .end = 3}, true);
}

// Prompts of different lengths, several steps: the logits and what is cached
// are those of the plain way.
void ExpectTheSame(const Transformer& model) {
  const c10::InferenceMode no_autograd;
  const auto options = model.parameters()[0].tensor.options();
  const std::vector<std::vector<int32_t>> prompts = {
      {5, 6, 7}, {8}, {9, 10, 11, 12, 13, 14}, {5, 6, 7, 8}, {20, 21}};
  KvCache plain(model.config(), 8, 32, options);
  KvCache fused(model.config(), 8, 32, options);
  for (KvCache* cache : {&plain, &fused}) {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < prompts.size(); ++i) rows.push_back(cache->AddRow());
    model.Prefill(Pack(prompts, model.device()), rows, *cache);
  }
  for (int64_t step = 0; step < 4; ++step) {
    std::vector<int64_t> tokens;
    for (size_t i = 0; i < prompts.size(); ++i) {
      tokens.push_back(30 + 7 * step + static_cast<int64_t>(i));
    }
    const at::Tensor token_B = at::tensor(tokens, at::TensorOptions(at::kLong));
    const at::Tensor expected = model.Logits(model.Decode(token_B, plain));
    const at::Tensor found = model.DecodeLogits(token_B, fused);
    EXPECT_LT((expected - found).abs().max().item<double>(), 2e-5) << step;
    EXPECT_EQ(plain.lengths(), fused.lengths());
  }
}

TEST(FusedDecodeTest, GivesTheLogitsOfThePlainWay) {
  ExpectTheSame(MakeTinyModel(1));
}

TEST(FusedDecodeTest, GivesThemForEveryArchitecture) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  ASSERT_NE(root, nullptr) << "run the tests through ctest";
  const std::string folder = std::string(root) + "/tests/fixtures/nn/";
  for (const std::string& name : ListDirectory(folder)) {
    if (!FileExists(folder + name + "/config.json")) continue;
    ASSERT_OK_AND_ASSIGN(const Transformer model, LoadModel(folder + name));
    if (model.config().head == ModelConfig::Head::kScore) continue;
    SCOPED_TRACE(name);
    ExpectTheSame(model);
  }
}

}  // namespace
}  // namespace rlhf
