#include "trainer/refresher_metrics.h"

namespace rlhf {

RefresherMetrics::RefresherMetrics(prometheus::Registry& registry)
    : refreshes_promoted(prometheus::BuildCounter()
                             .Name("rlhf_pm_refresh_total")
                             .Help("PMs trained, by the gate's verdict.")
                             .Register(registry)
                             .Add({{"result", "promoted"}})),
      refreshes_refused(prometheus::BuildCounter()
                            .Name("rlhf_pm_refresh_total")
                            .Help("PMs trained, by the gate's verdict.")
                            .Register(registry)
                            .Add({{"result", "refused"}})),
      accuracy(prometheus::BuildGauge()
                   .Name("rlhf_pm_accuracy_ratio")
                   .Help("Accuracy of the newest PM on held-out comparisons.")
                   .Register(registry)
                   .Add({{"split", "held_out"}})) {}

}  // namespace rlhf
