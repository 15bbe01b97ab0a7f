// What a process says of itself at /metrics, in Prometheus' text format.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

// Upper bound -> observations up to it; the bound of the last is infinity.
using HistogramCounts = std::map<double, double>;

class MetricsText {
 public:
  // Lines that are no sample are passed over: comments, and what is malformed.
  static MetricsText Parse(absl::string_view text);

  // The sum of the samples of this name whose labels hold `label`, which is
  // written as in the text (`state="done"`) or empty; 0 without any.
  double Sum(absl::string_view name, absl::string_view label = "") const;

  // Of the histogram `name`, those of all labels together.
  HistogramCounts Histogram(absl::string_view name) const;

 private:
  struct Sample {
    std::string labels;  // between the braces
    double value = 0;
  };
  // By name.
  std::map<std::string, std::vector<Sample>> samples_;
};

// The value below which a share `q` of the observations lie that came between
// two looks at a histogram, as Prometheus' histogram_quantile has it: linear
// within a bucket, and the lower end of the last. NaN without observations, or
// if the histogram began again.
double QuantileBetween(const HistogramCounts& before,
                       const HistogramCounts& after, double q);

}  // namespace rlhf
