// Two learner processes, as a launcher starts them, against one.
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"

namespace rlhf {
namespace {

class TwoRanksTest : public LearnerTest {
 protected:
  // Runs the loop without people, with so many learner ranks.
  std::vector<v1::UpdateReport> Run(int world_size) {
    StartServers();
    for (const pid_t rank : StartRanks(world_size)) EXPECT_EQ(Wait(rank), 0);
    StopServers();
    return Updates();
  }
};

TEST_F(TwoRanksTest, LearnTheSameAsOne) {
  Prepare("one");
  const std::vector<v1::UpdateReport> one = Run(1);
  Prepare("two");
  const std::vector<v1::UpdateReport> two = Run(2);
  ASSERT_EQ(one.size(), kUpdates);
  ASSERT_EQ(two.size(), kUpdates);
  for (int i = 0; i < kUpdates; ++i) {
    EXPECT_NEAR(two[i].reward_mean(), one[i].reward_mean(), 1e-5) << i;
    EXPECT_NEAR(two[i].policy_loss(), one[i].policy_loss(), 1e-5) << i;
    EXPECT_NEAR(two[i].value_loss(), one[i].value_loss(), 1e-5) << i;
    EXPECT_NEAR(two[i].kl_k1_nats_per_sequence(),
                one[i].kl_k1_nats_per_sequence(), 1e-5)
        << i;
  }
}

TEST_F(TwoRanksTest, GoOnAsOne) {
  Prepare("two");
  const std::vector<v1::UpdateReport> two = Run(2);
  ASSERT_EQ(two.size(), kUpdates);
  PrepareReplay("first-two-then-one");
  config_.mutable_ppo()->set_num_updates(2);
  WriteConfig();
  for (const pid_t rank : StartRanks(2)) ASSERT_EQ(Wait(rank), 0);
  config_.mutable_ppo()->set_num_updates(kUpdates);
  WriteConfig();
  ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  const std::vector<v1::UpdateReport> mixed = Updates();
  ASSERT_EQ(mixed.size(), kUpdates);
  for (int i = 0; i < kUpdates; ++i) {
    EXPECT_NEAR(mixed[i].policy_loss(), two[i].policy_loss(), 1e-5) << i;
    EXPECT_NEAR(mixed[i].value_loss(), two[i].value_loss(), 1e-5) << i;
  }
}

}  // namespace
}  // namespace rlhf
