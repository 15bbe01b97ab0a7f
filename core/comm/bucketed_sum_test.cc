#include "core/comm/bucketed_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "tests/testing/two_ranks.h"

namespace rlhf {
namespace {

// Pretends that the other rank has the same numbers, and notes the size of each
// transfer.
class Doubling final : public Communicator {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 2; }
  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    if (status.ok()) {
      for (const at::Tensor& tensor : tensors) {
        transfers.push_back(tensor.numel());
        tensor.mul_(2);
      }
    }
    return status;
  }
  absl::Status Broadcast(const at::Tensor&) override {
    return absl::UnimplementedError("not for this test");
  }

  absl::Status status;
  std::vector<int64_t> transfers;
};

// Tensors of odd sizes, one of them empty and one larger than the buckets used
// here, with the numbers first, first + 1, …
std::vector<at::Tensor> OddTensors(float first) {
  std::vector<at::Tensor> tensors;
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{3}, {}, {2, 5}, {0}, {7, 3}, {1}}) {
    int64_t size = 1;
    for (const int64_t dimension : shape) size *= dimension;
    tensors.push_back(
        at::arange(first, first + static_cast<float>(size)).view(shape));
    first += static_cast<float>(size);
  }
  return tensors;
}

TEST(BucketedSumTest, GivesThePlainSumOfTwoRanks) {
  OnTwoRanks(absl::Seconds(30), [](Communicator& communicator) {
    for (const int64_t bucket : {1, 4, 11, 1000}) {
      const auto tensors = OddTensors(communicator.rank() == 0 ? 1 : 100);
      ASSERT_OK(BucketedAllReduceSum(communicator, tensors, bucket));
      const auto mine = OddTensors(1), others = OddTensors(100);
      for (size_t i = 0; i < tensors.size(); ++i) {
        EXPECT_TRUE(at::equal(tensors[i], mine[i] + others[i]))
            << "tensor " << i << " in buckets of " << bucket;
      }
    }
  });
}

TEST(BucketedSumTest, FillsBucketsWithoutCuttingATensor) {
  Doubling communicator;
  const auto tensors = OddTensors(1);
  ASSERT_OK(BucketedAllReduceSum(communicator, tensors, 11));
  // Sizes 3, 1, 10, 0, 21, 1: 3 + 1, then 10 + 0, then the large one alone.
  EXPECT_THAT(communicator.transfers, testing::ElementsAre(4, 10, 21, 1));
  EXPECT_TRUE(at::equal(tensors[4], OddTensors(1)[4] * 2));
}

TEST(BucketedSumTest, WritesThroughViewsThatAreNotContiguous) {
  Doubling communicator;
  const at::Tensor whole = at::arange(12.0f).view({3, 4});
  ASSERT_OK(BucketedAllReduceSum(communicator, {whole.t().narrow(0, 1, 2)}));
  // Columns 1 and 2 are doubled, 0 and 3 are not: row 1 was 4, 5, 6, 7.
  EXPECT_EQ(whole[1][0].item<float>(), 4);
  EXPECT_EQ(whole[1][1].item<float>(), 10);
  EXPECT_EQ(whole[1][2].item<float>(), 12);
  EXPECT_EQ(whole[1][3].item<float>(), 7);
}

TEST(BucketedSumTest, NothingToSumIsNoTransfer) {
  Doubling communicator;
  ASSERT_OK(BucketedAllReduceSum(communicator, {}));
  EXPECT_TRUE(communicator.transfers.empty());
}

TEST(BucketedSumTest, AFailedTransferChangesNothingAndIsReported) {
  Doubling communicator;
  communicator.status = absl::DeadlineExceededError("rank 1 is away");
  const auto tensors = OddTensors(1);
  EXPECT_THAT(BucketedAllReduceSum(communicator, tensors, 4),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       testing::HasSubstr("rank 1 is away")));
  EXPECT_TRUE(at::equal(tensors[0], OddTensors(1)[0]));
}

}  // namespace
}  // namespace rlhf
