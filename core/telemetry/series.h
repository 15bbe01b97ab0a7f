// Prometheus series, one call each. Registering a name twice gives the same
// family, so each value of a label may be added on its own.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace rlhf {

using SeriesLabels = std::map<std::string, std::string>;

// The registry owns what these return.
prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const std::string& name,
                                const std::string& help,
                                const SeriesLabels& labels = {});
prometheus::Gauge& AddGauge(prometheus::Registry& registry,
                            const std::string& name, const std::string& help,
                            const SeriesLabels& labels = {});
// `buckets` are upper bounds, rising.
prometheus::Histogram& AddHistogram(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help,
    const prometheus::Histogram::BucketBoundaries& buckets,
    const SeriesLabels& labels = {});

// A counter by result: label `code` is "OK", "UNAVAILABLE" and so on. Every
// code is there from the start: a series that begins at 1 would hide its first
// error from increase(). `registry` must outlive this. Thread-safe.
class CounterByCode {
 public:
  CounterByCode(prometheus::Registry& registry, const std::string& name,
                const std::string& help);

  prometheus::Counter& Of(absl::StatusCode code);

 private:
  prometheus::Family<prometheus::Counter>& family_;
};

}  // namespace rlhf
