#include "trainer/rank_shares.h"

#include <algorithm>
#include <map>
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

int64_t PassesBehind(int rank, absl::Span<const PromptResponse> dialogues,
                     absl::Span<const int> rank_of,
                     int64_t micro_batch_tokens) {
  std::map<int, std::vector<PromptResponse>> by_rank;
  for (size_t k = 0; k < dialogues.size(); ++k) {
    by_rank[rank_of[k]].push_back(dialogues[k]);
  }
  size_t most = 0;
  for (const auto& [other, theirs] : by_rank) {
    most = std::max(most, MicroBatchSizes(theirs, micro_batch_tokens).size());
  }
  return static_cast<int64_t>(
      most - MicroBatchSizes(by_rank[rank], micro_batch_tokens).size());
}

}  // namespace rlhf
