#include "feedback/workers/agreement.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>

#include "core/base/check.h"

namespace rlhf {
namespace {

// What differs less is nothing but rounding.
constexpr double kTiny = 1e-9;

}  // namespace

std::optional<double> CohenKappa(absl::Span<const int> a,
                                 absl::Span<const int> b) {
  RLHF_CHECK(a.size() == b.size()) << a.size() << " and " << b.size();
  const auto n = static_cast<double>(a.size());
  double num_equal = 0;
  std::map<int, double> count_a, count_b;
  for (size_t i = 0; i < a.size(); ++i) {
    num_equal += a[i] == b[i];
    ++count_a[a[i]];
    ++count_b[b[i]];
  }
  double by_chance = 0;
  for (const auto& [value, count] : count_a) {
    by_chance += count / n * (count_b[value] / n);
  }
  if (a.empty() || by_chance > 1 - kTiny) return std::nullopt;
  return (num_equal / n - by_chance) / (1 - by_chance);
}

Coincidences::Coincidences(int num_values)
    : num_values_(num_values),
      counts_(static_cast<size_t>(num_values) * num_values, 0.0) {}

void Coincidences::Count(absl::Span<const int> values, int sign) {
  const auto m = static_cast<int64_t>(values.size());
  if (m < 2) return;
  const double weight = sign / static_cast<double>(m - 1);
  for (size_t i = 0; i < values.size(); ++i) {
    RLHF_CHECK(values[i] >= 0 && values[i] < num_values_) << values[i];
    for (size_t j = 0; j < values.size(); ++j) {
      if (i != j) counts_[values[i] * num_values_ + values[j]] += weight;
    }
  }
  num_pairs_ += sign * m * (m - 1) / 2;
}

std::vector<double> Coincidences::Totals() const {
  std::vector<double> totals(num_values_, 0.0);
  for (int a = 0; a < num_values_; ++a) {
    for (int b = 0; b < num_values_; ++b) totals[a] += At(a, b);
  }
  return totals;
}

double Coincidences::SquaredDistance(Scale scale,
                                     const std::vector<double>& totals, int a,
                                     int b) const {
  if (a == b) return 0;
  if (scale == Scale::kNominal) return 1;
  if (a > b) std::swap(a, b);
  const double between =
      std::accumulate(totals.begin() + a, totals.begin() + b + 1, 0.0) -
      (totals[a] + totals[b]) / 2;
  return between * between;
}

std::optional<double> Coincidences::Alpha(Scale scale) const {
  const std::vector<double> totals = Totals();
  const double n = std::accumulate(totals.begin(), totals.end(), 0.0);
  double observed = 0;
  double expected = 0;
  for (int a = 0; a < num_values_; ++a) {
    for (int b = 0; b < num_values_; ++b) {
      const double distance = SquaredDistance(scale, totals, a, b);
      observed += At(a, b) * distance;
      expected += totals[a] * totals[b] * distance;
    }
  }
  if (num_pairs_ == 0 || expected < kTiny) return std::nullopt;
  return 1 - (n - 1) * observed / expected;
}

std::optional<double> Coincidences::FleissKappa() const {
  const std::vector<double> totals = Totals();
  const double n = std::accumulate(totals.begin(), totals.end(), 0.0);
  if (num_pairs_ == 0) return std::nullopt;
  double observed = 0;
  double by_chance = 0;
  for (int a = 0; a < num_values_; ++a) {
    observed += At(a, a) / n;
    by_chance += totals[a] / n * (totals[a] / n);
  }
  if (by_chance > 1 - kTiny) return std::nullopt;
  return (observed - by_chance) / (1 - by_chance);
}

}  // namespace rlhf
