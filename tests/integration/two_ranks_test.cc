// Two learner processes, as a launcher starts them, against one.
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "core/launch/exit_codes.h"
#include "core/telemetry/http_test_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"

namespace rlhf {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

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
  constexpr int kMany = 20;
  // At 0.01, as the other tests have it, rounding grows tenfold in an update.
  config_.mutable_ppo()->set_learning_rate(0.0001);
  Prepare("one", kMany);
  const std::vector<v1::UpdateReport> one = Run(1);
  ASSERT_EQ(one.size(), kMany);
  Prepare("two", kMany);
  ExpectSame(Run(2), one);
  config_.mutable_learner()->set_sharding(v1::LearnerConfig::SHARDED);
  Prepare("two_sharded", kMany);
  ExpectSame(Run(2), one);
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

TEST_F(TwoRanksTest, EachServeMetrics) {
  // It does not come to its end before it is stopped.
  Prepare("metrics", 100'000);
  StartServers();
  const std::vector<pid_t> ranks = StartRanks(2);
  EXPECT_TRUE(
      WaitUntil(absl::Seconds(60), [this] { return Updates().size() > 1; }));
  for (const auto& [rank, port] :
       {std::pair(0, config_.learner().metrics_port()),
        std::pair(1, config_.learner().rank_metrics_port() + 1)}) {
    const std::string metrics = HttpTestClient(port).Get("/metrics").body;
    EXPECT_THAT(metrics,
                HasSubstr(absl::StrCat("\nrlhf_learner_rank ", rank, "\n")));
    EXPECT_THAT(metrics, ContainsRegex("\nrlhf_ppo_updates_total [1-9]"));
    EXPECT_THAT(metrics, ContainsRegex("bytes_total.kind=.all_reduce.. [1-9]"));
  }
  for (const pid_t rank : ranks) ::kill(rank, SIGTERM);
  for (const pid_t rank : ranks) EXPECT_EQ(Wait(rank), kStoppedEarly);
  StopServers();
}

}  // namespace
}  // namespace rlhf
