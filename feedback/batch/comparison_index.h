// What has been compared before, for the newest comparisons of a log or for
// those of a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "feedback/batch/comparison_key.h"
#include "feedback/batch/near_duplicates.h"

namespace rlhf {

// What one worker said of a pair (ComparisonKey).
struct PairVote {
  uint64_t worker = 0;
  int vote = 0;
};

// Holds hashes of at most the newest `capacity` comparisons, never texts: some
// 300 bytes each. Thread-compatible.
class ComparisonIndex {
 public:
  // Of a log: about 40 MB when it is full.
  static constexpr size_t kLogCapacity = size_t{1} << 17;

  explicit ComparisonIndex(size_t capacity = kLogCapacity);

  void Add(const ComparisonKey& key, const NearKey& near);

  bool HasAnswer(const ComparisonKey& key) const {
    return answers_.contains(key.answer);
  }
  bool HasNear(const NearKey& near) const { return near_.Has(near); }

  // The decided votes of named workers on a pair. Good until the next Add.
  absl::Span<const PairVote> VotesOn(uint64_t pair) const;

  size_t size() const { return keys_.size(); }

 private:
  void Forget(const ComparisonKey& key);

  size_t capacity_;
  std::deque<ComparisonKey> keys_;              // the oldest first
  absl::flat_hash_map<uint64_t, int> answers_;  // how often each
  absl::flat_hash_map<uint64_t, std::vector<PairVote>> votes_;
  NearDuplicates near_;
};

}  // namespace rlhf
