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
    : checkpoints_damaged(
          AddGauge(registry, "rlhf_checkpoints_damaged",
                   "Newer checkpoints that this start passed over because "
                   "they are damaged.")),
      updates_(AddCounter(registry, "rlhf_ppo_updates_total",
                          "PPO updates finished since start.")),
      last_update_timestamp_(AddGauge(
          registry, "rlhf_last_update_timestamp_seconds",
          "When the last PPO update ended, or the learner went on after "
          "it, seconds since 1970.")),
      response_kl_(AddHistogram(
          registry, "rlhf_response_kl_k3_nats",
          "KL(policy, reference) of each response that this rank trained on, "
          "k3 estimate.",
          {0.1, 0.3, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100})),
      sent_in_all_gathers_(AddSent(registry, "all_gather")),
      sent_in_reduce_scatters_(AddSent(registry, "reduce_scatter")),
      sent_in_all_reduces_(AddSent(registry, "all_reduce")) {
  AddGauge(registry, "rlhf_learner_rank", "Rank of this process.").Set(rank);
}

void RankMetrics::Resume() { last_update_timestamp_.SetToCurrentTime(); }

void RankMetrics::ShowUpdate(const v1::UpdateReport& report,
                             const SentBytes& sent,
                             const std::vector<double>& response_kl_nats) {
  last_update_timestamp_.SetToCurrentTime();
  if (report.left_out().empty()) {
    updates_.Increment();
    for (const double kl : response_kl_nats) response_kl_.Observe(kl);
  }
  RaiseTo(sent_in_all_gathers_, sent.all_gather);
  RaiseTo(sent_in_reduce_scatters_, sent.reduce_scatter);
  RaiseTo(sent_in_all_reduces_, sent.all_reduce);
}

}  // namespace rlhf
