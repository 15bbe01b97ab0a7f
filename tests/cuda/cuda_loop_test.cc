// Real processes on the GPU: a learner, an actor and a reward server.
#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cuda/cuda_test_base.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

class CudaLoopTest : public LearnerTest {
 protected:
  void SetUp() override {
    const auto device = FindDevice("this test", "cuda");
    if (!device.ok()) GTEST_SKIP() << device.status();
    LearnerTest::SetUp();
    config_.mutable_learner()->set_device("cuda");
    config_.mutable_actor()->set_device("cuda");
    config_.mutable_reward_server()->set_device("cuda");
  }

  void Run(const std::string& name) {
    ASSERT_NO_FATAL_FAILURE(Prepare(name));
    StartServers();
    EXPECT_EQ(Wait(StartRanks(1)[0]), 0);
    StopServers();
    ASSERT_EQ(Updates().size(), static_cast<size_t>(kUpdates));
    for (const v1::UpdateReport& report : Updates()) {
      EXPECT_TRUE(std::isfinite(report.policy_loss())) << report.update();
      EXPECT_EQ(report.num_skipped_steps(), 0) << report.update();
    }
  }
};

TEST_F(CudaLoopTest, ARunGoesToItsEndAndTheCpuMakesTheSameOfItsFirstBatch) {
  ASSERT_NO_FATAL_FAILURE(Run("gpu"));
  const v1::UpdateReport gpu = Updates()[0];
  // The actor's passes and the learner's are different ones.
  EXPECT_LT(gpu.behaviour_mismatch_max_nats(), 1e-2);

  config_.mutable_learner()->set_device("cpu");
  PrepareReplay("cpu");
  ASSERT_EQ(Wait(StartRanks(1)[0]), 0);
  const v1::UpdateReport cpu = Updates()[0];
  EXPECT_EQ(cpu.reward_mean(), gpu.reward_mean()) << "the same batch";
  EXPECT_NEAR(cpu.entropy_nats_per_token(), gpu.entropy_nats_per_token(),
              kClose);
  EXPECT_NEAR(cpu.behaviour_mismatch_max_nats(),
              gpu.behaviour_mismatch_max_nats(), 1e-2);
}

TEST_F(CudaLoopTest, ARunInBfloat16WithShardsGoesToItsEnd) {
  config_.mutable_learner()->set_dtype(v1::BFLOAT16);
  config_.mutable_learner()->set_sharding(v1::LearnerConfig::SHARDED);
  config_.mutable_actor()->set_dtype(v1::BFLOAT16);
  config_.mutable_reward_server()->set_dtype(v1::BFLOAT16);
  Run("bfloat16");
}

}  // namespace
}  // namespace rlhf
