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

TEST(KvCacheTest, ARowBeyondTheLastDies) {
  KvCache cache(OneHead(), 1, 4, at::kFloat);
  cache.AddRow();
  EXPECT_DEATH(cache.AddRow(), "check failed");
}

}  // namespace
}  // namespace rlhf
