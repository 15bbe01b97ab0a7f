#include "actor/cache_shape.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(CutCacheTest, RowsHoldTheLongestAndAreAsManyAsThereIsMemoryFor) {
  const CacheShape shape = CutCache(1000, /*longest=*/100, /*max_rows=*/32);
  EXPECT_EQ(shape.tokens, 128);  // a multiple of 64
  EXPECT_EQ(shape.rows, 7);
  EXPECT_EQ(CutCache(1000, 128, 32).tokens, 128);
  EXPECT_EQ(CutCache(1000, 10, 4).rows, 4);
}

TEST(CutCacheTest, OneSequenceMayHaveItAll) {
  const CacheShape shape = CutCache(1000, 1000, 32);
  EXPECT_EQ(shape.tokens, 1000);
  EXPECT_EQ(shape.rows, 1);
}

TEST(CutCacheTest, MoreThanAllDies) {
  EXPECT_DEATH(CutCache(1000, 1001, 32), "check failed");
}

}  // namespace
}  // namespace rlhf
