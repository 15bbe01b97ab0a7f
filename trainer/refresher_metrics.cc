#include "trainer/refresher_metrics.h"

namespace rlhf {
namespace {

prometheus::Counter& AddRefresh(prometheus::Registry& registry,
                                const std::string& result) {
  return AddCounter(registry, "rlhf_pm_refresh_total",
                    "PMs trained, by the gate's verdict.",
                    {{"result", result}});
}

}  // namespace

RefresherMetrics::RefresherMetrics(prometheus::Registry& registry)
    : refreshes_promoted(AddRefresh(registry, "promoted")),
      refreshes_refused(AddRefresh(registry, "refused")),
      accuracy(AddGauge(registry, "rlhf_pm_accuracy_ratio",
                        "Accuracy of the newest PM on held-out comparisons.",
                        {{"split", "held_out"}})) {}

}  // namespace rlhf
