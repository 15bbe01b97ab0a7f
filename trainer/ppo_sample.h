// A rollout as the mathematics sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "trainer/response_forward.h"

namespace rlhf {

struct PpoSample {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> response_ids;
  // As the actor reported them, nats. With a stale sample they are what its
  // tokens' weights are made of, with a fresh one they are only compared.
  std::vector<float> behaviour_logprobs;
  // The PM's score, anchored: (score - mean) / scale of the batch's PM.
  double score = 0;
  // The response ended with an end-of-sequence token.
  bool ended = false;
  // Versions that the policy which sampled it is behind the one that the update
  // starts from.
  int64_t staleness = 0;
};

// The samples `indices` as dialogues; they refer to `batch`.
std::vector<PromptResponse> Dialogues(const std::vector<PpoSample>& batch,
                                      absl::Span<const int64_t> indices);

// Response tokens of the samples `indices`.
int64_t CountTokens(const std::vector<PpoSample>& batch,
                    absl::Span<const int64_t> indices);

// 0 to the number of samples.
std::vector<int64_t> AllSamples(const std::vector<PpoSample>& batch);

}  // namespace rlhf
