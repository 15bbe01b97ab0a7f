#include "trainer/refresher_metrics.h"

namespace rlhf {
namespace {

prometheus::Counter& AddRefresh(prometheus::Registry& registry,
                                const std::string& result) {
  return AddCounter(registry, "rlhf_pm_refresh_total",
                    "Attempts to make a PM, by how they ended.",
                    {{"result", result}});
}

prometheus::Counter& AddGate(prometheus::Registry& registry,
                             const std::string& result) {
  return AddCounter(registry, "rlhf_pm_gate_total",
                    "Verdicts of the gate on PMs.", {{"result", result}});
}

prometheus::Gauge& AddComparisons(prometheus::Registry& registry,
                                  const std::string& split) {
  return AddGauge(registry, "rlhf_pm_comparisons",
                  "Comparisons that the newest PM saw.", {{"split", split}});
}

}  // namespace

RefresherMetrics::RefresherMetrics(prometheus::Registry& registry)
    : refreshes_ok(AddRefresh(registry, "ok")),
      refreshes_failed(AddRefresh(registry, "failed")),
      gate_promoted(AddGate(registry, "promoted")),
      gate_refused(AddGate(registry, "refused")),
      accuracy(AddGauge(registry, "rlhf_pm_accuracy_ratio",
                        "Accuracy of the newest PM on held-out comparisons.",
                        {{"split", "held_out"}})),
      train_comparisons(AddComparisons(registry, "train")),
      held_out_comparisons(AddComparisons(registry, "held_out")),
      train_seconds(
          AddHistogram(registry, "rlhf_pm_train_duration_seconds",
                       "Training of one PM, its evaluation left out.",
                       {1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000})) {}

}  // namespace rlhf
