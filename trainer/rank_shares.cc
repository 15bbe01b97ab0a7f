#include "trainer/rank_shares.h"

#include <algorithm>
#include <map>

namespace rlhf {

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
