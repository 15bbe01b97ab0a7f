// One PPO update, in every way in which a learner can hold its models.
#include <ATen/TensorOperators.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/nn/device.h"
#include "tests/cuda/cuda_test_base.h"
#include "tests/testing/status_matchers.h"
#include "trainer/learner_state.h"
#include "trainer/parameter_hash.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

// With a rate and an epsilon far above every gradient AdamW's first step is the
// gradient itself, but for a part in a hundred.
PpoTrainer::Options GradientStep() {
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_learning_rate(100);
  options.ppo.set_adam_epsilon(100);
  options.ppo.set_num_minibatches(1);
  options.ppo.set_num_epochs(1);
  return options;
}

struct Updated {
  NamedTensors before, after;
  v1::UpdateReport report;
};

Updated UpdateOnce(PpoTrainer::Options options, at::Device device) {
  options.device = device;
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(options, &alone);
  Updated result;
  const auto before = trainer.GatherParameters();
  EXPECT_OK(before);
  for (const NamedTensor& p : *before) {
    result.before.push_back({p.name, p.tensor.detach().clone()});
  }
  const auto report = trainer.Update(MakeBatch(1), 1);
  EXPECT_OK(report);
  if (report.ok()) result.report = *report;
  result.after = *trainer.GatherParameters();
  return result;
}

struct Way {
  std::string name;
  PpoTrainer::Options options;
};

std::vector<Way> Ways() {
  PpoTrainer::Options recomputed = GradientStep(), sharded = recomputed,
                      adapted = recomputed;
  recomputed.recompute_activations = true;
  sharded.sharded = true;
  adapted.lora.rank = 4;
  return {{"Plain", GradientStep()},
          {"OwnCritic", WithOwnCritic(GradientStep())},
          {"Recomputed", recomputed},
          {"Sharded", sharded},
          {"ShardedWithOwnCritic", WithOwnCritic(sharded)},
          {"Adapted", adapted}};
}

class CudaUpdateTest : public CudaTest,
                       public testing::WithParamInterface<Way> {};

TEST_P(CudaUpdateTest, GradientsAndLossesEqualTheCpus) {
  const Updated expected = UpdateOnce(GetParam().options, at::kCPU);
  const Updated found = UpdateOnce(GetParam().options, device_);
  EXPECT_LT(MaxDifference(found.before, expected.before), 1e-9);
  EXPECT_GT(MaxDifference(expected.after, expected.before), kClose)
      << "a gradient that tells something";
  EXPECT_LT(MaxDifference(found.after, expected.after), kClose / 10);
  EXPECT_NEAR(found.report.policy_loss(), expected.report.policy_loss(),
              kClose);
  EXPECT_NEAR(found.report.value_loss(), expected.report.value_loss(), kClose);
  EXPECT_NEAR(found.report.entropy_nats_per_token(),
              expected.report.entropy_nats_per_token(), kClose);
  EXPECT_NEAR(found.report.gradient_norm() / expected.report.gradient_norm(), 1,
              kClose);
}

INSTANTIATE_TEST_SUITE_P(Ways, CudaUpdateTest, testing::ValuesIn(Ways()),
                         [](const testing::TestParamInfo<Way>& info) {
                           return info.param.name;
                         });

class CudaTrainerTest : public CudaTest {
 protected:
  // After some updates of the usual kind.
  std::unique_ptr<PpoTrainer> Trained(PpoTrainer::Options options,
                                      at::Device device, int64_t updates) {
    options.device = device;
    std::unique_ptr<PpoTrainer> trainer(
        new PpoTrainer(MakeTrainer(options, &alone_)));
    for (int64_t update = 1; update <= updates; ++update) {
      const auto report = trainer->Update(MakeBatch(update), update);
      EXPECT_OK(report);
      if (!report.ok()) break;
      EXPECT_TRUE(std::isfinite(report->policy_loss()));
      EXPECT_EQ(report->num_skipped_steps(), 0);
      last_ = *report;
    }
    return trainer;
  }

  SingleCommunicator alone_;
  v1::UpdateReport last_;
};

TEST_F(CudaTrainerTest, UpdatesInBfloat16Go) {
  PpoTrainer::Options options = MakeOptions();
  options.dtype = at::kBFloat16;
  Trained(options, at::kCPU, 1);
  const v1::UpdateReport expected = last_;
  Trained(options, device_, 1);
  EXPECT_NEAR(last_.entropy_nats_per_token(), expected.entropy_nats_per_token(),
              0.1);
}

// Between devices, and between shares and whole models.
TEST_F(CudaTrainerTest, ACheckpointGoesFromDeviceToDeviceToTheBit) {
  PpoTrainer::Options sharded = MakeOptions();
  sharded.sharded = true;
  const auto gpu = Trained(MakeOptions(), device_, 2);
  ASSERT_OK_AND_ASSIGN(const LearnerState state, GatherLearner(*gpu));
  ASSERT_OK_AND_ASSIGN(const LearnerSnapshot copy, CopyLearner(state, {}));
  for (const NamedTensor& p : copy.parameters) {
    ASSERT_TRUE(p.tensor.is_cpu()) << p.name;
  }
  for (const NamedTensor& p : copy.optimizer) {
    ASSERT_TRUE(p.tensor.is_cpu()) << p.name;
  }
  const std::string wanted = ParameterHash(copy.parameters);
  EXPECT_EQ(wanted, last_.parameter_hash());
  for (const at::Device device : {at::Device(at::kCPU), device_}) {
    for (const PpoTrainer::Options& options : {MakeOptions(), sharded}) {
      const auto other = Trained(options, device, 0);
      ASSERT_OK(other->Import(copy.parameters, copy.optimizer));
      ASSERT_OK_AND_ASSIGN(const LearnerState again, GatherLearner(*other));
      EXPECT_EQ(ParameterHash(again.parameters), wanted);
      EXPECT_EQ(MaxDifference(again.optimizer, copy.optimizer), 0);
    }
  }
}

}  // namespace
}  // namespace rlhf
