#include "actor/policy_packer.h"

#include <ATen/ops/equal.h>

#include "core/nn/packed_batch.h"
#include "gtest/gtest.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

at::Tensor LogitsOf(const Transformer& model) {
  return model.Logits(model.Forward(Pack({{5, 6, 7, 8}}, at::kCPU)));
}

TEST(PolicyPackerTest, EachVersionIsPackedIntoTheMemoryOfTheLast) {
  PolicyPacker packer;
  const auto first = packer.Pack(MakeTinyModel(1));
  ASSERT_TRUE(first->is_packed());
  const std::byte* const memory = first->packed_memory()->data();
  for (const uint64_t seed : {2, 3}) {
    const auto next = packer.Pack(MakeTinyModel(seed));
    EXPECT_EQ(next->packed_memory()->data(), memory);
    // Nothing is left of the version before.
    EXPECT_TRUE(at::equal(LogitsOf(*next),
                          LogitsOf(*ForGeneration(MakeTinyModel(seed)))));
  }
}

}  // namespace
}  // namespace rlhf
