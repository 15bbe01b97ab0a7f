#include "feedback/past_responses.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"

namespace rlhf {

void PastResponses::Saw(absl::Span<const v1::UpdateReport> reports) {
  if (reports.empty()) return;
  for (const v1::UpdateReport& report : reports) path_.Saw(report);
  num_at_.clear();
  for (Kept& one : kept_) {
    one.place = path_.Of(one.past.response.policy_version);
    ++num_at_[one.place];
  }
}

void PastResponses::Add(PastResponse response) {
  if (Has(response)) return;
  const PolicyPlace place = path_.Of(response.response.policy_version);
  const uint64_t number = num_added_++;
  Kept one{.past = std::move(response), .place = place};
  if (kept_.size() < kCapacity) {
    kept_.push_back(std::move(one));
  } else {
    Kept& gone = kept_[CrowdedIndex(MixHash(number, 0))];
    --num_at_[gone.place];
    gone = std::move(one);
  }
  ++num_at_[place];
}

bool PastResponses::Has(const PastResponse& response) const {
  return std::any_of(kept_.begin(), kept_.end(), [&](const Kept& one) {
    const VersionedResponse& kept = one.past.response;
    return kept.policy_version == response.response.policy_version &&
           kept.text == response.response.text &&
           one.past.prompt.prompt_id() == response.prompt.prompt_id();
  });
}

size_t PastResponses::CrowdedIndex(uint64_t key) const {
  int most = 0;
  for (const auto& [place, num] : num_at_) most = std::max(most, num);
  size_t index = key % kept_.size();
  while (num_at_.at(kept_[index].place) < most) {
    index = (index + 1) % kept_.size();
  }
  return index;
}

std::optional<PastResponse> PastResponses::Draw(int64_t version,
                                                uint64_t key) const {
  std::vector<const Kept*> earlier;
  std::vector<PolicyPlace> places;
  for (const Kept& one : kept_) {
    if (one.past.response.policy_version >= version) continue;
    earlier.push_back(&one);
    places.push_back(one.place);
  }
  if (earlier.empty()) return std::nullopt;
  return earlier[DrawAcross(places, key)]->past;
}

}  // namespace rlhf
