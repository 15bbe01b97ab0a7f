#include "trainer/rank_metrics.h"

#include <string>

#include "core/telemetry/metrics_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(RankMetricsTest, BytesAreTotalsAndUpdatesAreCounted) {
  prometheus::Registry registry;
  RankMetrics metrics(registry, 3);
  metrics.ShowUpdate({}, {.all_gather = 100, .all_reduce = 7}, {});
  metrics.ShowUpdate({}, {.all_gather = 150, .all_reduce = 7}, {});
  EXPECT_THAT(MetricsResponse(registry).body,
              AllOf(HasSubstr("\nrlhf_learner_rank 3\n"),
                    HasSubstr("\nrlhf_ppo_updates_total 2\n"),
                    HasSubstr("{kind=\"all_gather\"} 150\n"),
                    HasSubstr("{kind=\"all_reduce\"} 7\n"),
                    HasSubstr("{kind=\"reduce_scatter\"} 0\n")));
}

TEST(RankMetricsTest, WhoGoesOnMissesItsNextUpdateFromTheStart) {
  prometheus::Registry registry;
  RankMetrics metrics(registry, 0);
  EXPECT_THAT(MetricsResponse(registry).body,
              HasSubstr("\nrlhf_last_update_timestamp_seconds 0\n"));
  metrics.Resume();
  EXPECT_THAT(
      MetricsResponse(registry).body,
      AllOf(HasSubstr("\nrlhf_ppo_updates_total 0\n"),
            ContainsRegex("\nrlhf_last_update_timestamp_seconds [1-9]")));
}

TEST(RankMetricsTest, AnUpdateThatIsLeftOutIsASignOfLifeOnly) {
  prometheus::Registry registry;
  RankMetrics metrics(registry, 0);
  v1::UpdateReport report;
  report.set_left_out("the KL is nan");
  metrics.ShowUpdate(report, {}, {4.0});
  EXPECT_THAT(
      MetricsResponse(registry).body,
      AllOf(HasSubstr("\nrlhf_ppo_updates_total 0\n"),
            HasSubstr("\nrlhf_response_kl_k3_nats_count 0\n"),
            ContainsRegex("\nrlhf_last_update_timestamp_seconds [1-9]")));
}

TEST(RankMetricsTest, EachResponseHasItsPlaceInTheKlHistogram) {
  prometheus::Registry registry;
  RankMetrics metrics(registry, 0);
  metrics.ShowUpdate({}, {}, {0.5, 12, 400});
  EXPECT_THAT(
      MetricsResponse(registry).body,
      AllOf(HasSubstr("\nrlhf_response_kl_k3_nats_count 3\n"),
            HasSubstr("{le=\"1\"} 1\n"), HasSubstr("{le=\"10\"} 1\n"),
            HasSubstr("{le=\"15\"} 2\n"), HasSubstr("{le=\"+Inf\"} 3\n")));
}

}  // namespace
}  // namespace rlhf
