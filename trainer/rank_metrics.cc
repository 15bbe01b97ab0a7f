#include "trainer/rank_metrics.h"

namespace rlhf {
namespace {

prometheus::Counter& AddSent(prometheus::Registry& registry,
                             const std::string& kind) {
  return AddCounter(registry, "rlhf_collective_sent_bytes_total",
                    "Bytes of weights and gradients that this rank sent to the "
                    "others.",
                    {{"kind", kind}});
}

// Brings a counter up to a total that was counted elsewhere.
void RaiseTo(prometheus::Counter& counter, uint64_t total) {
  counter.Increment(static_cast<double>(total) - counter.Value());
}

}  // namespace

RankMetrics::RankMetrics(prometheus::Registry& registry, int rank)
    : updates_(AddCounter(registry, "rlhf_ppo_updates_total",
                          "PPO updates finished since start.")),
      last_update_timestamp_(
          AddGauge(registry, "rlhf_last_update_timestamp_seconds",
                   "When the last PPO update ended, seconds since 1970.")),
      sent_in_all_gathers_(AddSent(registry, "all_gather")),
      sent_in_reduce_scatters_(AddSent(registry, "reduce_scatter")),
      sent_in_all_reduces_(AddSent(registry, "all_reduce")) {
  AddGauge(registry, "rlhf_learner_rank", "Rank of this process.").Set(rank);
}

void RankMetrics::ShowUpdate(const v1::UpdateReport& report,
                             const SentBytes& sent) {
  last_update_timestamp_.SetToCurrentTime();
  if (report.left_out().empty()) updates_.Increment();
  RaiseTo(sent_in_all_gathers_, sent.all_gather);
  RaiseTo(sent_in_reduce_scatters_, sent.reduce_scatter);
  RaiseTo(sent_in_all_reduces_, sent.all_reduce);
}

}  // namespace rlhf
