#include "trainer/experience/prompt_schedule.h"

#include <algorithm>
#include <numeric>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {

PromptSchedule::PromptSchedule(std::vector<v1::Prompt> prompts, uint64_t seed,
                               int64_t samples_per_prompt)
    : prompts_(std::move(prompts)),
      seed_(seed),
      samples_per_prompt_(samples_per_prompt) {
  RLHF_CHECK(!prompts_.empty() && samples_per_prompt >= 1);
}

PromptSchedule::Slot PromptSchedule::At(int64_t index) const {
  const auto count = static_cast<int64_t>(prompts_.size());
  const int64_t place = index / samples_per_prompt_;
  const int64_t pass = place / count;
  // The order of a pass is the order of its hashes; the k-th smallest is found
  // without storing any pass.
  const uint64_t key = MixHash(seed_, static_cast<uint64_t>(pass));
  std::vector<size_t> order(prompts_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto middle = order.begin() + place % count;
  std::nth_element(
      order.begin(), middle, order.end(), [key](size_t a, size_t b) {
        return std::pair(MixHash(key, a), a) < std::pair(MixHash(key, b), b);
      });
  return {.prompt = &prompts_[*middle],
          .sample = pass * samples_per_prompt_ + index % samples_per_prompt_};
}

}  // namespace rlhf
