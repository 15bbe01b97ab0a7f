// Two learner processes, as a launcher starts them, against one.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/free_ports.h"

namespace rlhf {
namespace {

class TwoRanksTest : public LearnerTest {
 protected:
  // Runs the loop without people, with so many learner ranks.
  std::vector<v1::UpdateReport> Run(int world_size) {
    StartServers();
    const int master_port = FreePorts(1)[0];
    std::vector<pid_t> ranks;
    for (int rank = 0; rank < world_size; ++rank) {
      ranks.push_back(Start(
          {"learner", "--config", config_path_},
          {absl::StrCat("RANK=", rank), absl::StrCat("WORLD_SIZE=", world_size),
           "MASTER_ADDR=127.0.0.1",
           absl::StrCat("MASTER_PORT=", master_port)}));
    }
    for (const pid_t rank : ranks) EXPECT_EQ(Wait(rank), 0);
    StopServers();
    return Updates();
  }
};

void ExpectSame(const std::vector<v1::UpdateReport>& actual,
                const std::vector<v1::UpdateReport>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const v1::UpdateReport &a = actual[i], &b = expected[i];
    EXPECT_NEAR(a.reward_mean(), b.reward_mean(), 1e-5) << i;
    EXPECT_NEAR(a.policy_loss(), b.policy_loss(), 1e-5) << i;
    EXPECT_NEAR(a.value_loss(), b.value_loss(), 1e-5) << i;
    EXPECT_NEAR(a.kl_k1_nats_per_sequence(), b.kl_k1_nats_per_sequence(), 1e-5)
        << i;
  }
}

TEST_F(TwoRanksTest, LearnTheSameAsOneShardedOrNot) {
  Prepare("one");
  const std::vector<v1::UpdateReport> one = Run(1);
  ASSERT_EQ(one.size(), kUpdates);
  Prepare("two");
  ExpectSame(Run(2), one);
  config_.mutable_learner()->set_sharding(v1::LearnerConfig::SHARDED);
  Prepare("two_sharded");
  ExpectSame(Run(2), one);
}

}  // namespace
}  // namespace rlhf
