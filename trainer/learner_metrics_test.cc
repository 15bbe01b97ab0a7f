#include "trainer/learner_metrics.h"

#include <string>

#include "core/telemetry/metrics_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

class LearnerMetricsTest : public testing::Test {
 protected:
  std::string Served() { return MetricsResponse(registry_).body; }

  prometheus::Registry registry_;
  LearnerMetrics metrics_{registry_};
};

TEST_F(LearnerMetricsTest, AnUpdateSetsWhatItsReportSays) {
  v1::UpdateReport report;
  report.set_reward_mean(0.25);
  report.set_kl_k1_nats_per_sequence(7.5);
  report.set_gradient_norm(1.5);
  report.set_behaviour_effective_share(0.75);
  metrics_.ShowUpdate(report);
  EXPECT_THAT(Served(),
              AllOf(HasSubstr("\nrlhf_reward_mean 0.25\n"),
                    HasSubstr("\nrlhf_policy_kl_nats 7.5\n"),
                    HasSubstr("\nrlhf_ppo_gradient_norm 1.5\n"),
                    HasSubstr("\nrlhf_behaviour_effective_ratio 0.75\n")));
}

// Its report has no figures: those before it stand.
TEST_F(LearnerMetricsTest, AnUpdateThatIsLeftOutIsCountedAndChangesNoGauge) {
  v1::UpdateReport report;
  report.set_reward_mean(0.25);
  metrics_.ShowUpdate(report);
  report.set_reward_mean(0);
  report.set_left_out("the KL is nan");
  metrics_.ShowUpdate(report);
  EXPECT_THAT(
      Served(),
      AllOf(HasSubstr("\nrlhf_reward_mean 0.25\n"),
            HasSubstr("skipped_updates_total{reason=\"diverged\"} 1\n")));
}

// Of 3 and 1 on an anchor of mean 2 and deviation 0.5: +2 and -2.
TEST_F(LearnerMetricsTest, RewardsAreOnTheAnchorsScaleWhereTheyAreSorted) {
  v1::BatchHeader header;
  header.set_update(4);
  header.set_reward_mean(2);
  header.set_reward_scale(0.5);
  std::vector<v1::Rollout> rollouts(2);
  rollouts[0].set_reward(3);
  rollouts[0].set_policy_version(3);
  rollouts[1].set_reward(1);
  rollouts[1].set_policy_version(1);
  metrics_.CountTrained(header, rollouts);
  EXPECT_THAT(
      Served(),
      AllOf(HasSubstr("rlhf_response_reward_anchored_bucket{le=\"-2\"} 1\n"),
            HasSubstr("rlhf_response_reward_anchored_bucket{le=\"1.5\"} 1\n"),
            HasSubstr("rlhf_response_reward_anchored_bucket{le=\"2\"} 2\n"),
            HasSubstr("rlhf_rollout_staleness_versions_sum 2\n")));
}

TEST_F(LearnerMetricsTest, ShowsTheRoomOfTheRunsFileSystem) {
  metrics_.ShowDisk("/nowhere");
  EXPECT_THAT(Served(), HasSubstr("\nrlhf_disk_size_bytes 0\n"));
  metrics_.ShowDisk("/tmp");
  EXPECT_THAT(Served(), ContainsRegex("\nrlhf_disk_size_bytes [1-9]"));
}

}  // namespace
}  // namespace rlhf
