#include "trainer/preference/auroc.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/check.h"

namespace rlhf {
namespace {

void CheckFinite(absl::Span<const double> scores) {
  for (const double score : scores) RLHF_CHECK(std::isfinite(score)) << score;
}

// For each value the share of `others` below it, equal ones by half.
std::vector<double> SharesBelow(absl::Span<const double> values,
                                absl::Span<const double> others) {
  std::vector<double> sorted(others.begin(), others.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> shares;
  for (const double value : values) {
    const auto [low, high] =
        std::equal_range(sorted.begin(), sorted.end(), value);
    const auto below =
        static_cast<double>((low - sorted.begin()) + (high - sorted.begin()));
    shares.push_back(below / (2 * static_cast<double>(sorted.size())));
  }
  return shares;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(values.size());
}

// The squared standard error of the mean; 0 of a single value.
double VarianceOfMean(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const auto count = static_cast<double>(values.size());
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / (count - 1) / count;
}

}  // namespace

Auroc ComputeAuroc(absl::Span<const double> ordinary,
                   absl::Span<const double> outliers) {
  CheckFinite(ordinary);
  CheckFinite(outliers);
  Auroc result;
  if (ordinary.empty() || outliers.empty()) return result;
  // Each outlier's place among the ordinary, and the other way round.
  const std::vector<double> outlier_places = SharesBelow(outliers, ordinary);
  const std::vector<double> ordinary_places = SharesBelow(ordinary, outliers);
  result.value = Mean(outlier_places);
  const double variance =
      VarianceOfMean(outlier_places) + VarianceOfMean(ordinary_places);
  const size_t rarer = std::min(ordinary.size(), outliers.size());
  // Rounding alone makes less than this.
  if (rarer < 2 || variance < 1e-24) {
    const auto pairs = static_cast<double>(rarer);
    result.interval =
        WilsonInterval(std::min(result.value, 1.0) * pairs, pairs);
    return result;
  }
  const double half_width = kQuantile95 * std::sqrt(variance);
  result.interval = {.low = std::max(0.0, result.value - half_width),
                     .high = std::min(1.0, result.value + half_width)};
  return result;
}

}  // namespace rlhf
