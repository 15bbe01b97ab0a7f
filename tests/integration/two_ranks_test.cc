// Two learner processes, as a launcher starts them, against one.
#include <cmath>

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

}  // namespace
}  // namespace rlhf
