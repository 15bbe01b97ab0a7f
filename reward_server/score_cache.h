// Scores that were computed before, by what they are scores of.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"

namespace rlhf {

// Bounded in bytes; what was not asked for longest goes first. Thread-safe.
//
// A hit is the very numbers that were added, bit for bit. The key is compared
// whole, so it is for the caller to make keys that say all that a score depends
// on.
class ScoreCache {
 public:
  // Counted for an entry beside its key and its scores: list, map and string.
  static constexpr size_t kOverheadBytes = 192;

  // 0 keeps nothing.
  explicit ScoreCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // What was added last under `key`.
  std::optional<std::vector<float>> Find(absl::string_view key);

  // Keeps `scores`; nothing happens if they are too large, or there already.
  void Add(std::string key, std::vector<float> scores);

  // At most what the constructor was given.
  size_t num_bytes() const;

 private:
  struct Entry {
    std::string key;
    std::vector<float> scores;
    size_t num_bytes() const;
  };
  using Entries = std::list<Entry>;

  const size_t max_bytes_;
  mutable Mutex mutex_;
  // Asked for last first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  // By the keys that stand in the entries.
  absl::flat_hash_map<absl::string_view, Entries::iterator> by_key_
      ABSL_GUARDED_BY(mutex_);
  size_t num_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rlhf
