// A rollout as the mathematics sees it.
#pragma once

#include <cstdint>
#include <vector>

namespace rlhf {

struct PpoSample {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> response_ids;
  // As the actor reported them, nats; only compared with ours.
  std::vector<float> behaviour_logprobs;
  // The PM's score, anchored: (score - mean) / scale of the batch's PM.
  double score = 0;
  // The response ended with an end-of-sequence token.
  bool ended = false;
};

}  // namespace rlhf
