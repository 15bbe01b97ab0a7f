// A role's /metrics, as `rlhf top` reads it: cli/metrics_text.h.
#include <cmath>

#include "cli/metrics_text.h"
#include "core/base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

// Two looks at /metrics, with a line "===" between.
RLHF_FUZZ_TARGET(metrics_text) {
  const MetricsText before = MetricsText::Parse(TakePart("\n===\n", input));
  const MetricsText after = MetricsText::Parse(input);
  before.Sum("a", "state=\"done\"");
  const HistogramCounts counts_before = before.Histogram("a");
  const HistogramCounts counts = after.Histogram("a");
  for (const auto& [bound, count] : counts) {
    RLHF_CHECK(!std::isnan(bound));
  }
  QuantileBetween(counts_before, counts, 0.5);
  QuantileBetween(counts, counts_before, 0.99);
}

}  // namespace
}  // namespace rlhf
