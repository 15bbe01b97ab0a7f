#include "feedback/past_responses.h"

#include <utility>

#include "core/base/hash.h"

namespace rlhf {

void PastResponses::Add(PastResponse response) {
  const uint64_t number = num_added_++;
  if (kept_.size() < kCapacity) {
    kept_.push_back(std::move(response));
  } else {
    kept_[MixHash(number, 0) % kCapacity] = std::move(response);
  }
}

std::optional<PastResponse> PastResponses::Draw(int64_t version,
                                                uint64_t key) const {
  // From a place that the key picks, the first that is old enough.
  for (size_t i = 0; i < kept_.size(); ++i) {
    const PastResponse& one = kept_[(key + i) % kept_.size()];
    if (one.response.policy_version < version) return one;
  }
  return std::nullopt;
}

}  // namespace rlhf
