// An endless, reproducible order over the prompts: pass after pass, each pass
// in a shuffled order of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "rlhf/v1/common.pb.h"

namespace rlhf {

// Thread-compatible.
class PromptCycle {
 public:
  // `prompts` must not be empty.
  PromptCycle(std::vector<v1::Prompt> prompts, uint64_t seed);

  // The prompt at `position` >= 0; a pure function of the constructor's
  // arguments and the position.
  const v1::Prompt& At(int64_t position);

 private:
  void Shuffle(int64_t pass);

  const std::vector<v1::Prompt> prompts_;
  const uint64_t seed_;
  int64_t pass_ = -1;
  std::vector<size_t> order_;  // of pass_
};

}  // namespace rlhf
