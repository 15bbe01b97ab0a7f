#include "core/nn/kv_cache.h"

#include <ATen/ops/full.h>

#include <cmath>

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

// Whether the caches are zero from position `begin` of `row` on.
bool IsZeroFrom(KvCache& cache, int64_t row, int64_t begin) {
  const auto rest = [&](const at::Tensor& whole) {
    return whole.select(0, row).narrow(1, begin, cache.max_tokens() - begin);
  };
  return rest(cache.key(0)).eq(0).all().item<bool>() &&
         rest(cache.value(0)).eq(0).all().item<bool>();
}

// Writes `number` to the first `length` positions of a new row.
void Fill(KvCache& cache, int64_t length, double number) {
  const int64_t row = cache.AddRow();
  cache.key(0).select(0, row).narrow(1, 0, length).fill_(number);
  cache.value(0).select(0, row).narrow(1, 0, length).fill_(number);
  cache.Advance(row, length);
}

TEST(KvCacheTest, WhatNoRowHoldsIsZeroWhateverWasThere) {
  KvCache cache(OneHead(), 3, 8, at::kFloat);
  Fill(cache, 7, NAN);
  Fill(cache, 5, INFINITY);
  Fill(cache, 2, 3);

  cache.RemoveRow(0);  // a shorter one comes to its place

  EXPECT_EQ(cache.key(0)[0][0][1].item<float>(), 3);
  EXPECT_TRUE(IsZeroFrom(cache, 0, 2));
  EXPECT_TRUE(IsZeroFrom(cache, 2, 0));
  cache.RemoveRow(1);  // nobody does
  EXPECT_TRUE(IsZeroFrom(cache, 1, 0));
  EXPECT_EQ(cache.value(0)[0][0][1].item<float>(), 3);
}

TEST(KvCacheTest, AfterClearNothingIsLeftOfWhatWasNeverNoted) {
  KvCache cache(OneHead(), 2, 4, at::kFloat);
  cache.AddRow();
  cache.key(0).fill_(NAN);
  cache.value(0).fill_(NAN);
  cache.Clear();
  EXPECT_EQ(cache.num_rows(), 0);
  for (int64_t row = 0; row < 2; ++row) EXPECT_TRUE(IsZeroFrom(cache, row, 0));
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
