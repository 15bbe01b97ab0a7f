#include "trainer/parallel/share_out.h"

#include <algorithm>
#include <tuple>

namespace rlhf {

std::vector<int> ShareOut(const std::vector<std::vector<int64_t>>& minibatches,
                          absl::Span<const int64_t> tokens, int ranks) {
  std::vector<int> rank_of(tokens.size(), 0);
  for (std::vector<int64_t> samples : minibatches) {
    // The longest first, each to the rank that has least: within a third of the
    // best there is (Graham 1969, doi:10.1137/0117039).
    std::sort(samples.begin(), samples.end(), [&](int64_t a, int64_t b) {
      return std::tuple(-tokens[a], a) < std::tuple(-tokens[b], b);
    });
    std::vector<int64_t> load(ranks, 0);
    for (const int64_t i : samples) {
      const auto least = std::min_element(load.begin(), load.end());
      rank_of[i] = static_cast<int>(least - load.begin());
      *least += tokens[i];
    }
  }
  return rank_of;
}

std::vector<int64_t> SamplesOf(int rank, absl::Span<const int> rank_of,
                               const std::vector<int64_t>& samples) {
  std::vector<int64_t> own;
  for (const int64_t i : samples) {
    if (rank_of[i] == rank) own.push_back(i);
  }
  return own;
}

}  // namespace rlhf
