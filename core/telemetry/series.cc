#include "core/telemetry/series.h"

namespace rlhf {

prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const std::string& name,
                                const std::string& help,
                                const SeriesLabels& labels) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add(labels);
}

prometheus::Gauge& AddGauge(prometheus::Registry& registry,
                            const std::string& name, const std::string& help,
                            const SeriesLabels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      labels);
}

prometheus::Histogram& AddHistogram(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help,
    const prometheus::Histogram::BucketBoundaries& buckets,
    const SeriesLabels& labels) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add(labels, buckets);
}

CounterByCode::CounterByCode(prometheus::Registry& registry,
                             const std::string& name, const std::string& help)
    : family_(
          prometheus::BuildCounter().Name(name).Help(help).Register(registry)) {
  constexpr int kNumCodes = 17;
  for (int code = 0; code < kNumCodes; ++code) {
    Of(static_cast<absl::StatusCode>(code));
  }
}

prometheus::Counter& CounterByCode::Of(absl::StatusCode code) {
  return family_.Add({{"code", absl::StatusCodeToString(code)}});
}

}  // namespace rlhf
