#include "trainer/parallel/flat_block.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Eleven numbers: 0 to 5, 10 to 14.
NamedTensors Weights() {
  return {{"a", at::arange(6.0f).view({2, 3})}, {"b", at::arange(10.0f, 15)}};
}

TEST(FlatBlockTest, SharesAreEqualAndTheLastOneIsPaddedWithZeros) {
  for (int rank = 0; rank < 4; ++rank) {
    const FlatBlock block("x", Weights(), {.rank = rank, .world_size = 4});
    ASSERT_EQ(block.share().numel(), 3);  // 11 / 4, rounded up
    EXPECT_TRUE(block.share().requires_grad());
    if (rank == 1) {
      EXPECT_TRUE(at::equal(block.share(), at::arange(3.0f, 6)));
    }
    if (rank == 3) {
      EXPECT_EQ(block.share()[0].item<float>(), 13);
      EXPECT_EQ(block.share()[2].item<float>(), 0);
    }
  }
}

TEST(FlatBlockTest, WeightsHaveMemoryBetweenAllocateAndFreeOnly) {
  FlatBlock block("x", Weights(), {.rank = 0, .world_size = 1});
  const at::Tensor b = block.weights()[1].tensor;
  EXPECT_EQ(block.flat().storage().nbytes(), 0u);
  block.Allocate();
  EXPECT_TRUE(at::equal(b, Weights()[1].tensor));
  EXPECT_TRUE(at::equal(block.weights()[0].tensor, Weights()[0].tensor));
  EXPECT_TRUE(b.is_leaf() && b.requires_grad());
  block.Free();
  EXPECT_EQ(b.storage().nbytes(), 0u);
}

TEST(FlatBlockTest, FlattenAndSplitAreEachOthersOpposite) {
  const FlatBlock block("x", Weights(), {.rank = 1, .world_size = 3});
  const NamedTensors weights = Weights();
  const at::Tensor flat =
      block.Flatten({at::Tensor(), weights[1].tensor.to(at::kBFloat16)});
  EXPECT_EQ(flat.scalar_type(), at::kFloat);
  EXPECT_EQ(flat.numel(), 12);
  const NamedTensors split = block.Split(flat);
  EXPECT_EQ(split[0].name, "a");
  EXPECT_EQ(split[0].tensor.abs().sum().item<float>(), 0);
  EXPECT_TRUE(at::equal(split[1].tensor, weights[1].tensor));
}

TEST(FlatBlockTest, AFrozenBlockKeepsTheSmallDtypeOnly) {
  const FlatBlock block("x", Weights(),
                        {.dtype = at::kBFloat16, .trained = false});
  EXPECT_EQ(block.share().scalar_type(), at::kBFloat16);
  EXPECT_FALSE(block.share().requires_grad());
}

}  // namespace
}  // namespace rlhf
