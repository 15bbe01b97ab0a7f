#include "trainer/ppo_sample.h"

#include <numeric>

namespace rlhf {

std::vector<PromptResponse> Dialogues(const std::vector<PpoSample>& batch,
                                      absl::Span<const int64_t> indices) {
  std::vector<PromptResponse> dialogues;
  for (const int64_t i : indices) {
    dialogues.push_back({.prompt_ids = &batch[i].prompt_ids,
                         .response_ids = &batch[i].response_ids});
  }
  return dialogues;
}

int64_t CountTokens(const std::vector<PpoSample>& batch,
                    absl::Span<const int64_t> indices) {
  int64_t count = 0;
  for (const int64_t i : indices) {
    count += static_cast<int64_t>(batch[i].response_ids.size());
  }
  return count;
}

std::vector<int64_t> AllSamples(const std::vector<PpoSample>& batch) {
  std::vector<int64_t> all(batch.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

}  // namespace rlhf
