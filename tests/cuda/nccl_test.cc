// The communicator of ranks with GPUs. One rank alone is all that one GPU
// allows: that tensors of either kind find their way, not that they are summed.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include <memory>
#include <vector>

#include "tests/cuda/cuda_test_base.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

class NcclTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) return;
    C10dOptions options =
        OneOfRanks(/*rank=*/0, /*world_size=*/1, FreePorts(1)[0],
                   /*timeout=*/absl::Seconds(60));
    options.device = device_;
    ASSERT_OK_AND_ASSIGN(communicator_, MakeC10dCommunicator(options));
  }

  at::Tensor Numbers(at::Device device) const {
    return at::arange(12.0f).to(device);
  }

  void ExpectKept(const at::Tensor& numbers) const {
    EXPECT_TRUE(at::equal(numbers.to(at::kCPU), Numbers(at::kCPU)));
  }

  std::unique_ptr<Communicator> communicator_;
};

TEST_F(NcclTest, TensorsOfBothDevicesAreSummedInOneCall) {
  const at::Tensor gpu = Numbers(device_), cpu = Numbers(at::kCPU);
  const at::Tensor exact = Numbers(device_).to(at::kDouble);
  ASSERT_OK(communicator_->AllReduceSum({gpu, cpu, exact}));
  ExpectKept(gpu);
  ExpectKept(cpu);
  ExpectKept(exact.to(at::kFloat));
}

TEST_F(NcclTest, EveryCallTakesTensorsOfEitherDevice) {
  for (const at::Device device : {device_, at::Device(at::kCPU)}) {
    const at::Tensor numbers = Numbers(device);
    ASSERT_OK(communicator_->Broadcast(numbers));
    ASSERT_OK(communicator_->StartAllReduceSum(numbers, "numbers")->Wait());
    ASSERT_OK(communicator_->StartAllGather(numbers, "numbers")->Wait());
    ASSERT_OK(communicator_->StartReduceScatterSum(numbers, "numbers")->Wait());
    ExpectKept(numbers);
  }
  EXPECT_EQ(communicator_->sent_bytes().total(), 0u);
}

TEST_F(NcclTest, TransfersAreUnderWayTogether) {
  const at::Tensor first = Numbers(device_), second = Numbers(device_);
  const auto one = communicator_->StartAllGather(first, "first");
  const auto two = communicator_->StartReduceScatterSum(second, "second");
  ASSERT_OK(one->Wait());
  ASSERT_OK(two->Wait());
  ExpectKept(first);
  ExpectKept(second);
}

// Shares are gathered and gradients reduced by NCCL in every pass.
TEST_F(NcclTest, AShardedUpdateEqualsOneWithoutNetwork) {
  PpoTrainer::Options options = MakeOptions();
  options.device = device_;
  options.sharded = true;
  SingleCommunicator alone;
  const std::vector<v1::UpdateReport> expected = Updates(options, &alone, 1);
  const std::vector<v1::UpdateReport> found =
      Updates(options, communicator_.get(), 1);
  ASSERT_EQ(expected.size(), 1u);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(found[0].policy_loss(), expected[0].policy_loss(), kClose);
  EXPECT_NEAR(found[0].value_loss(), expected[0].value_loss(), kClose);
  EXPECT_NEAR(found[0].gradient_norm() / expected[0].gradient_norm(), 1,
              kClose);
}

TEST(NcclWithoutGpuTest, RanksOnAGpuAreRefusedByABuildWithoutCuda) {
  C10dOptions options =
      OneOfRanks(0, 1, FreePorts(1)[0], /*timeout=*/absl::Seconds(10));
  options.device = at::Device(at::kCUDA, 0);
  const absl::Status status = MakeC10dCommunicator(options).status();
  if (status.code() != absl::StatusCode::kUnimplemented) {
    GTEST_SKIP() << "this build has CUDA";
  }
  EXPECT_EQ(status.message(),
            "ranks on cuda:0: this build has no CUDA; build with `make cuda`");
}

}  // namespace
}  // namespace rlhf
