#include "trainer/preference/paired_test.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/base/check.h"

namespace rlhf {
namespace {

void Count(const MeasuredPair& candidate, const MeasuredPair& incumbent,
           Discordance& discordance) {
  const bool ours = candidate.margin() > 0;
  const bool theirs = incumbent.margin() > 0;
  discordance.only_candidate_right += ours && !theirs ? 1 : 0;
  discordance.only_incumbent_right += theirs && !ours ? 1 : 0;
}

// The z that a standard normal number exceeds with probability `tail`, by
// bisection.
double NormalQuantile(double tail) {
  double low = 0, high = 40;
  for (int i = 0; i < 64; ++i) {
    const double middle = (low + high) / 2;
    const bool exceeds = std::erfc(middle / std::sqrt(2.0)) / 2 > tail;
    (exceeds ? low : high) = middle;
  }
  return low;
}

}  // namespace

Discordance CountDiscordance(const std::vector<MeasuredPair>& candidate,
                             const std::vector<MeasuredPair>& incumbent) {
  RLHF_CHECK(candidate.size() == incumbent.size());
  Discordance result;
  for (size_t i = 0; i < candidate.size(); ++i) {
    Count(candidate[i], incumbent[i], result);
  }
  return result;
}

std::vector<SliceComparison> CompareSlices(
    const std::vector<MeasuredPair>& candidate,
    const std::vector<MeasuredPair>& incumbent) {
  RLHF_CHECK(candidate.size() == incumbent.size());
  std::map<std::pair<std::string, std::string>, SliceComparison> found;
  for (size_t i = 0; i < candidate.size(); ++i) {
    for (const auto& slice : candidate[i].slices) {
      SliceComparison& comparison = found[slice];
      ++comparison.num_pairs;
      Count(candidate[i], incumbent[i], comparison.discordance);
    }
  }
  std::vector<SliceComparison> slices;
  for (auto& [slice, comparison] : found) {
    comparison.name = slice.first;
    comparison.value = slice.second;
    slices.push_back(std::move(comparison));
  }
  return slices;
}

double ProbabilityOfChance(const Discordance& discordance) {
  const int64_t n =
      discordance.only_candidate_right + discordance.only_incumbent_right;
  // P(X <= only_candidate_right) for X ~ Binomial(n, 1/2), term by term in
  // logarithms: C(n, k) / 2^n.
  const auto log_term = [n](int64_t k) {
    const auto size = static_cast<double>(n);
    const auto count = static_cast<double>(k);
    return std::lgamma(size + 1) - std::lgamma(count + 1) -
           std::lgamma(size - count + 1) - size * std::log(2.0);
  };
  double sum = 0;
  for (int64_t k = 0; k <= discordance.only_candidate_right; ++k) {
    sum += std::exp(log_term(k));
  }
  return std::min(sum, 1.0);
}

double VisibleDrop(int64_t num_pairs, double discordant_share, double level) {
  RLHF_CHECK(num_pairs > 0) << num_pairs;
  RLHF_CHECK(level > 0 && level <= 0.5) << level;
  RLHF_CHECK(discordant_share >= 0 && discordant_share <= 1)
      << discordant_share;
  constexpr double kMissed = 0.2;
  return (NormalQuantile(level) + NormalQuantile(kMissed)) *
         std::sqrt(discordant_share / static_cast<double>(num_pairs));
}

}  // namespace rlhf
