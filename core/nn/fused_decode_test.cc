#include "core/nn/fused_decode.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/max.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <cstdlib>
#include <vector>

#include "core/base/file.h"
#include "core/nn/kv_cache.h"
#include "core/nn/model_directory.h"
#include "core/nn/packed_batch.h"
#include "core/nn/transformer.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

constexpr int64_t kTokens = 32;  // of a row of the cache

const std::vector<std::vector<int32_t>> kPrompts = {
    {5, 6, 7}, {8}, {9, 10, 11, 12, 13, 14}, {5, 6, 7, 8}, {20, 21}};

KvCache CacheWith(const Transformer& model, at::ScalarType dtype,
                  const std::vector<std::vector<int32_t>>& prompts) {
  KvCache cache(model.config(), static_cast<int64_t>(prompts.size()), kTokens,
                at::TensorOptions(dtype));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < prompts.size(); ++i) rows.push_back(cache.AddRow());
  model.Prefill(Pack(prompts, model.device()), rows, cache);
  return cache;
}

// What the prompt `i` of kPrompts goes on with.
int64_t TokenAt(int64_t step, size_t i) {
  return 30 + 7 * step + static_cast<int64_t>(i);
}

// Prompts of different lengths, several steps: the logits are those of the
// plain way within `tolerance` of their largest.
void ExpectTheSame(const Transformer& model, WeightFormat format,
                   at::ScalarType cached, double tolerance) {
  const c10::InferenceMode no_autograd;
  const Transformer packed = model.Clone().Pack(format);
  KvCache plain = CacheWith(model, at::kFloat, kPrompts);
  KvCache fused = CacheWith(packed, cached, kPrompts);
  for (int64_t step = 0; step < 4; ++step) {
    std::vector<int64_t> tokens;
    for (size_t i = 0; i < kPrompts.size(); ++i) {
      tokens.push_back(TokenAt(step, i));
    }
    const at::Tensor token_B = at::tensor(tokens, at::TensorOptions(at::kLong));
    const at::Tensor expected = model.DecodeLogits(token_B, plain);
    const at::Tensor found = packed.DecodeLogits(token_B, fused);
    EXPECT_LT((expected - found).abs().max().item<double>(),
              tolerance * expected.abs().max().item<double>())
        << step;
    EXPECT_EQ(plain.lengths(), fused.lengths());
  }
}

TEST(FusedDecodeTest, GivesTheLogitsOfThePlainWay) {
  ExpectTheSame(MakeTinyModel(1), WeightFormat::kFloat32, at::kFloat, 1e-5);
}

TEST(FusedDecodeTest, GivesThemNearlyWithWeightsOfFewerBits) {
  const Transformer model = MakeTinyModel(1);
  ExpectTheSame(model, WeightFormat::kFloat32, at::kBFloat16, 0.01);
  ExpectTheSame(model, WeightFormat::kBfloat16, at::kBFloat16, 0.02);
  ExpectTheSame(model, WeightFormat::kInt8, at::kFloat, 0.02);
}

// A prompt alone and among others: the same to the bit.
TEST(FusedDecodeTest, ARowsLogitsDoNotDependOnTheRowsBesideIt) {
  const c10::InferenceMode no_autograd;
  const Transformer packed = MakeTinyModel(1).Pack(WeightFormat::kFloat32);
  const auto logits = [&](const std::vector<size_t>& which) {
    std::vector<std::vector<int32_t>> prompts;
    for (const size_t i : which) prompts.push_back(kPrompts[i]);
    KvCache cache = CacheWith(packed, at::kFloat, prompts);
    at::Tensor last;
    for (int64_t step = 0; step < 3; ++step) {
      std::vector<int64_t> tokens;
      for (const size_t i : which) tokens.push_back(TokenAt(step, i));
      last = packed.DecodeLogits(at::tensor(tokens, at::kLong), cache);
    }
    return last;
  };
  const at::Tensor together = logits({0, 1, 2, 3, 4});
  for (size_t i = 0; i < kPrompts.size(); ++i) {
    EXPECT_TRUE(at::equal(logits({i})[0], together[static_cast<int64_t>(i)]))
        << i;
  }
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
    ASSERT_TRUE(model.CanBePacked());
    ExpectTheSame(model, WeightFormat::kFloat32, at::kFloat, 1e-5);
  }
}

}  // namespace
}  // namespace rlhf
