#include "feedback/prompt_cycle.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {

PromptCycle::PromptCycle(std::vector<v1::Prompt> prompts, uint64_t seed)
    : prompts_(std::move(prompts)), seed_(seed), order_(prompts_.size()) {
  RLHF_CHECK(!prompts_.empty()) << "a cycle needs prompts";
}

const v1::Prompt& PromptCycle::At(int64_t position) {
  const auto size = static_cast<int64_t>(prompts_.size());
  RLHF_CHECK(position >= 0) << position;
  if (position / size != pass_) Shuffle(position / size);
  return prompts_[order_[position % size]];
}

void PromptCycle::Shuffle(int64_t pass) {
  pass_ = pass;
  const uint64_t key = MixHash(seed_, static_cast<uint64_t>(pass));
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [key](size_t a, size_t b) {
    return std::pair(MixHash(key, a), a) < std::pair(MixHash(key, b), b);
  });
}

}  // namespace rlhf
