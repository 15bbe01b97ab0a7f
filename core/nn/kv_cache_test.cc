#include "core/nn/kv_cache.h"

#include <ATen/ops/full.h>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

ModelConfig OneHead() {
  ModelConfig config;
  config.num_layers = 1;
  config.num_kv_heads = 1;
  config.head_dim = 1;
  return config;
}

TEST(KvCacheTest, TheLastRowFillsTheHole) {
  KvCache cache(OneHead(), 3, 4, at::kFloat);
  for (int row = 0; row < 3; ++row) {
    cache.AddRow();
    cache.key(0).select(0, row).fill_(row);
    cache.Advance(row, row + 1);
  }

  cache.RemoveRow(0);

  EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(cache.key(0)[0][0][2].item<float>(), 2);
}

TEST(KvCacheTest, CutAnewItHoldsTheSame) {
  KvCache cache(OneHead(), 4, 8, at::kFloat);
  for (int row = 0; row < 2; ++row) {
    cache.AddRow();
    cache.key(0).select(0, row).fill_(5 + row);
    cache.Advance(row, 3);
  }

  cache.Reshape(/*max_rows=*/2, /*max_tokens=*/16);

  EXPECT_EQ(cache.max_rows(), 2);
  EXPECT_EQ(cache.max_tokens(), 16);
  EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(cache.key(0).size(2), 16);
  EXPECT_EQ(cache.value(0).size(0), 2);
  EXPECT_EQ(cache.key(0)[1][0][2].item<float>(), 6);
  // Not garbage beyond.
  EXPECT_EQ(cache.key(0)[1][0][15].item<float>(), 0);
  EXPECT_DEATH(cache.Reshape(1, 16), "check failed");
  EXPECT_DEATH(cache.Reshape(2, 2), "check failed");
}

TEST(KvCacheTest, ARowIsCopiedFromAnotherCache) {
  KvCache one(OneHead(), 1, 4, at::kFloat), many(OneHead(), 3, 8, at::kFloat);
  one.AddRow();
  one.value(0).fill_(7);
  one.Advance(0, 4);
  many.AddRow();
  const int64_t row = many.AddRow();

  many.CopyFrom(one, 0, row);

  EXPECT_EQ(many.lengths(), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(many.value(0)[1][0][3].item<float>(), 7);
  EXPECT_EQ(many.value(0)[0][0][3].item<float>(), 0);
}

TEST(KvCacheTest, ARowBeyondTheLastDies) {
  KvCache cache(OneHead(), 1, 4, at::kFloat);
  cache.AddRow();
  EXPECT_DEATH(cache.AddRow(), "check failed");
}

}  // namespace
}  // namespace rlhf
