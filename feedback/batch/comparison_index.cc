#include "feedback/batch/comparison_index.h"

#include <algorithm>

namespace rlhf {
namespace {

bool IsVote(const ComparisonKey& key) {
  return key.worker != 0 && key.vote != 0;
}

}  // namespace

ComparisonIndex::ComparisonIndex(size_t capacity)
    : capacity_(std::max<size_t>(1, capacity)), near_(capacity_) {}

void ComparisonIndex::Add(const ComparisonKey& key, const NearKey& near) {
  if (keys_.size() == capacity_) {
    Forget(keys_.front());
    keys_.pop_front();
  }
  keys_.push_back(key);
  ++answers_[key.answer];
  if (IsVote(key)) votes_[key.pair].push_back({key.worker, key.vote});
  near_.Add(near);
}

void ComparisonIndex::Forget(const ComparisonKey& key) {
  const auto answer = answers_.find(key.answer);
  if (--answer->second == 0) answers_.erase(answer);
  if (!IsVote(key)) return;
  // The oldest vote on the pair is the one that is forgotten.
  const auto votes = votes_.find(key.pair);
  votes->second.erase(votes->second.begin());
  if (votes->second.empty()) votes_.erase(votes);
}

absl::Span<const PairVote> ComparisonIndex::VotesOn(uint64_t pair) const {
  const auto found = votes_.find(pair);
  if (found == votes_.end()) return {};
  return found->second;
}

}  // namespace rlhf
