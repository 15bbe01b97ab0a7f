#include "feedback/disagreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rlhf {

std::vector<double> MarginSpreads(const std::vector<v1::MemberScores>& members,
                                  size_t num_pairs) {
  std::vector<double> spreads(num_pairs, 0.0);
  const auto n = static_cast<double>(members.size());
  if (members.size() < 2) return spreads;
  for (size_t pair = 0; pair < num_pairs; ++pair) {
    const int first = static_cast<int>(2 * pair);
    double sum = 0;
    double sum_of_squares = 0;
    for (const v1::MemberScores& member : members) {
      const double margin = static_cast<double>(member.scores(first)) -
                            static_cast<double>(member.scores(first + 1));
      sum += margin;
      sum_of_squares += margin * margin;
    }
    const double variance = sum_of_squares / n - sum / n * (sum / n);
    spreads[pair] = std::sqrt(std::max(variance, 0.0));
  }
  return spreads;
}

std::vector<size_t> LargestPlaces(const std::vector<double>& values,
                                  size_t num_kept) {
  std::vector<size_t> places(values.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(), [&values](size_t a, size_t b) {
    return values[a] > values[b];
  });
  places.resize(std::min(num_kept, places.size()));
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace rlhf
