#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <memory>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/transformer.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

const std::vector<int32_t> kPrompt = {5, 9, 33, 7, 8, 9, 10, 11, 12, 13, 3};

class AppendTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(Transformer model, LoadModel(NnFixture(GetParam())));
    model_ = std::make_unique<Transformer>(std::move(model));
  }

  // Takes the prompt into row 1, after another sequence, in chunks of `size`.
  at::Tensor AppendInChunks(KvCache& cache, int64_t size) const {
    cache.AddRow();
    cache.AddRow();
    model_->Prefill(Pack({{6, 7, 8}}, at::kCPU), {0}, cache);
    at::Tensor hidden;
    const auto count = static_cast<int64_t>(kPrompt.size());
    for (int64_t begin = 0; begin < count; begin += size) {
      const std::vector<int64_t> chunk(
          kPrompt.begin() + begin,
          kPrompt.begin() + std::min(count, begin + size));
      hidden = model_->Append(at::tensor(chunk), 1, cache);
    }
    return hidden;
  }

  const c10::InferenceMode no_autograd_;
  std::unique_ptr<Transformer> model_;
};

TEST_P(AppendTest, ChunksOfAnySizeEqualOnePrefill) {
  KvCache whole(model_->config(), 2, 32, at::kFloat);
  whole.AddRow();
  whole.AddRow();
  const at::Tensor expected =
      model_->Prefill(Pack({{6, 7, 8}, kPrompt}, at::kCPU), {0, 1}, whole);
  const auto next =
      at::tensor({int64_t{4}, at::argmax(expected[1]).item<int64_t>()});
  const at::Tensor decoded = model_->Decode(next, whole);
  for (const int64_t size : {1, 2, 4, 10, 11, 50}) {
    KvCache cache(model_->config(), 2, 32, at::kFloat);

    const at::Tensor hidden = AppendInChunks(cache, size);

    EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{3, 11}));
    EXPECT_LT((hidden[0] - expected[1]).abs().max().item<float>(), 1e-4)
        << size;
    // What is cached serves the next token as well.
    EXPECT_LT((model_->Decode(next, cache) - decoded).abs().max().item<float>(),
              1e-4)
        << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, AppendTest,
                         testing::Values("llama_tied", "llama3_rope", "qwen2",
                                         "qwen3"));

}  // namespace
}  // namespace rlhf
