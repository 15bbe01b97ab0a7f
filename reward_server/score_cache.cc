#include "reward_server/score_cache.h"

#include <utility>

namespace rlhf {

size_t ScoreCache::Entry::num_bytes() const {
  return key.size() + scores.size() * sizeof(float) + kOverheadBytes;
}

std::optional<std::vector<float>> ScoreCache::Find(absl::string_view key) {
  MutexLock lock(&mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->scores;
}

void ScoreCache::Add(std::string key, std::vector<float> scores) {
  Entry entry{.key = std::move(key), .scores = std::move(scores)};
  const size_t size = entry.num_bytes();
  if (size > max_bytes_) return;
  MutexLock lock(&mutex_);
  if (by_key_.contains(entry.key)) return;
  while (num_bytes_ + size > max_bytes_) {
    num_bytes_ -= entries_.back().num_bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  num_bytes_ += size;
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
}

size_t ScoreCache::num_bytes() const {
  MutexLock lock(&mutex_);
  return num_bytes_;
}

}  // namespace rlhf
