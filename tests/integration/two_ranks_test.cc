// Two learner processes, as a launcher starts them, against one.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/registry/model_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

constexpr int kUpdates = 4;

class TwoRanksTest : public LoopTest {
 protected:
  // A run under the name `name` whose first PM is there already.
  void Prepare(const std::string& name) {
    config_.set_name(name);
    config_.mutable_ppo()->set_num_updates(kUpdates);
    config_.mutable_ppo()->set_rollouts_per_update(16);
    run_ = absl::StrCat(config_.runs_dir(), "/", name);
    WriteConfig();
    const ModelRegistry registry(run_ + "/registry/pm");
    ASSERT_OK(registry
                  .Publish(1, nullptr,
                           [](const std::string& folder) {
                             return WriteTinyPm(folder, 3);
                           })
                  .status());
    ASSERT_OK(registry.Promote(1, std::nullopt));
  }

  // Runs the loop without people, with so many learner ranks.
  std::vector<v1::UpdateReport> Run(int world_size) {
    const pid_t reward_server =
        Start({"reward-server", "--config", config_path_});
    const pid_t actor = Start({"actor", "--config", config_path_});
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
    Stop(reward_server);
    Stop(actor);
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
