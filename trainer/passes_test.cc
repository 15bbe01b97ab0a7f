// How a batch is cut into passes, and which pass is kept, changes no result.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

TEST(PassesTest, MicroBatchesDoNotChangeTheUpdate) {
  SingleCommunicator alone;
  PpoTrainer::Options coarse = MakeOptions();
  coarse.micro_batch_tokens = 10'000;
  PpoTrainer a = MakeTrainer(MakeOptions(), &alone);
  PpoTrainer b = MakeTrainer(coarse, &alone);
  ASSERT_OK_AND_ASSIGN(const auto small, a.Update(MakeBatch(1), 1));
  ASSERT_OK_AND_ASSIGN(const auto large, b.Update(MakeBatch(1), 1));
  EXPECT_NEAR(small.policy_loss(), large.policy_loss(), 1e-5);
  EXPECT_NEAR(small.value_loss(), large.value_loss(), 1e-5);
  EXPECT_NEAR(small.gradient_norm(), large.gradient_norm(), 1e-4);
}

// A first minibatch of one micro-batch is evaluated and trained on in one pass,
// one of several is not.
TEST(PassesTest, TheKeptPassOfTheFirstMinibatchChangesNothing) {
  for (const bool own_critic : {false, true}) {
    SingleCommunicator alone;
    PpoTrainer::Options kept = MakeOptions(), made_again = MakeOptions();
    if (own_critic) kept = made_again = WithOwnCritic(kept);
    kept.micro_batch_tokens = 10'000;
    made_again.micro_batch_tokens = 20;
    const auto reports = Updates(kept, &alone, 3);
    const auto expected = Updates(made_again, &alone, 3);
    ASSERT_EQ(reports.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(reports[i].policy_loss(), expected[i].policy_loss(), 1e-5);
      EXPECT_NEAR(reports[i].value_loss(), expected[i].value_loss(), 1e-5);
      EXPECT_NEAR(reports[i].gradient_norm(), expected[i].gradient_norm(),
                  1e-4);
    }
  }
}

TEST(PassesTest, TheKeptPassHasRatioOneExactly) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_num_epochs(1);
  options.ppo.set_num_minibatches(1);
  options.micro_batch_tokens = 10'000;
  PpoTrainer trainer = MakeTrainer(options, &alone);
  ASSERT_OK_AND_ASSIGN(const auto report, trainer.Update(MakeBatch(1), 1));
  EXPECT_EQ(report.approx_kl_nats(), 0);
}

}  // namespace
}  // namespace rlhf
