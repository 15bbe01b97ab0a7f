// Which prompt each rollout of each update samples.
#pragma once

#include <cstdint>
#include <vector>

#include "rlhf/v1/common.pb.h"

namespace rlhf {

// Goes through the prompts pass after pass, each pass in its own order. The
// place of a rollout follows from its number alone, so resuming needs no state.
// Thread-compatible.
class PromptSchedule {
 public:
  // `prompts` must not be empty. Each place in a pass is for
  // `samples_per_prompt` consecutive rollouts.
  PromptSchedule(std::vector<v1::Prompt> prompts, uint64_t seed,
                 int64_t samples_per_prompt = 1);

  struct Slot {
    const v1::Prompt* prompt;  // owned by the schedule
    // How often the prompt came before: part of the sampling key.
    int64_t sample;
  };

  // Rollout number `index` (from 0) of the whole run.
  Slot At(int64_t index) const;

 private:
  const std::vector<v1::Prompt> prompts_;
  const uint64_t seed_;
  const int64_t samples_per_prompt_;
};

}  // namespace rlhf
