#include "cli/metrics_text.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The value of the label le; false if there is none, or it is no number, which
// could not be put in order.
bool UpperBound(absl::string_view labels, double* bound) {
  constexpr absl::string_view kLe = "le=\"";
  const size_t start = labels.find(kLe);
  if (start == absl::string_view::npos) return false;
  const absl::string_view rest = labels.substr(start + kLe.size());
  return absl::SimpleAtod(rest.substr(0, rest.find('"')), bound) &&
         !std::isnan(*bound);
}

double CountAt(const HistogramCounts& counts, double bound) {
  const auto found = counts.find(bound);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

MetricsText MetricsText::Parse(absl::string_view text) {
  MetricsText metrics;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    // A label may hold blanks and braces: the value is after the last brace.
    const size_t open = line.find('{');
    const size_t close = line.rfind('}');
    const bool has_labels = open != absl::string_view::npos &&
                            close != absl::string_view::npos && open < close;
    const size_t name_end = has_labels ? open : line.find(' ');
    if (name_end == absl::string_view::npos) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(
        line.substr(has_labels ? close + 1 : name_end), ' ', absl::SkipEmpty());
    Sample sample;
    if (words.empty() || !absl::SimpleAtod(words[0], &sample.value)) continue;
    if (has_labels) {
      sample.labels = std::string(line.substr(open + 1, close - open - 1));
    }
    metrics.samples_[std::string(line.substr(0, name_end))].push_back(
        std::move(sample));
  }
  return metrics;
}

double MetricsText::Sum(absl::string_view name, absl::string_view label) const {
  const auto found = samples_.find(std::string(name));
  if (found == samples_.end()) return 0;
  double sum = 0;
  for (const Sample& sample : found->second) {
    if (absl::StrContains(sample.labels, label)) sum += sample.value;
  }
  return sum;
}

HistogramCounts MetricsText::Histogram(absl::string_view name) const {
  HistogramCounts counts;
  const auto found = samples_.find(absl::StrCat(name, "_bucket"));
  if (found == samples_.end()) return counts;
  for (const Sample& sample : found->second) {
    double bound = 0;
    if (UpperBound(sample.labels, &bound)) counts[bound] += sample.value;
  }
  return counts;
}

double QuantileBetween(const HistogramCounts& before,
                       const HistogramCounts& after, double q) {
  if (after.empty()) return kNaN;
  const auto last = after.rbegin();
  const double total = last->second - CountAt(before, last->first);
  if (!(total > 0)) return kNaN;
  double low = 0, count_low = 0;
  for (const auto& [bound, count] : after) {
    const double seen = count - CountAt(before, bound);
    if (seen >= q * total) {
      if (bound == std::numeric_limits<double>::infinity()) return low;
      if (seen == count_low) return bound;
      return low + (bound - low) * (q * total - count_low) / (seen - count_low);
    }
    low = bound;
    count_low = seen;
  }
  return low;
}

}  // namespace rlhf
