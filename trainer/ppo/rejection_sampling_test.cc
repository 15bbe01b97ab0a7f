#include "trainer/ppo/rejection_sampling.h"

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(RejectionSamplingTest, TakesTheFirstOfEqualOnes) {
  EXPECT_EQ(BestOfEachGroup(Row({1, 3, 3, 0, -1, -2}), 3),
            (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(BestOfEachGroup(Row({4, 5}), 1), (std::vector<int64_t>{0, 1}));
}

TEST(RejectionSamplingTest, ImitationPullsEveryTokenAlike) {
  const at::Tensor logprob_N = Row({-1, -5}).requires_grad_();
  const at::Tensor loss = ImitationLossSum(logprob_N);
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 6);
  EXPECT_EQ(Elements(logprob_N.grad()), (std::vector<double>{-1, -1}));
}

TEST(RejectionSamplingDeathTest, ScoresMustFillTheGroups) {
  EXPECT_DEATH(BestOfEachGroup(Row({1, 2, 3}), 2), "groups of 2");
}

}  // namespace
}  // namespace rlhf
