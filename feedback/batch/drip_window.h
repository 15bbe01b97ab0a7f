// What came from one origin in batches that were each too small to be judged:
// judged together, they hide nothing that a big batch would not.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "feedback/batch/batch_evidence.h"

namespace rlhf {

// What was seen in both, as of one batch: counts are added, those of a worker
// by name. What the log is, why there is no PM and in which lines something
// stands is `sum`'s alone; `twin` is left out, as it is of pairs of workers.
void AddEvidence(const BatchEvidence& more, BatchEvidence& sum);

// The newest batches. Thread-compatible.
class DripWindow {
 public:
  // As many as the serving PM is asked about of a big batch.
  static constexpr int64_t kSize = 200;

  struct Entry {
    BatchEvidence evidence;
    // Empty for what came by itself.
    std::string batch_id;
    // Those that went into the log.
    std::vector<std::string> comparison_ids;
  };

  // Forgets the oldest ones as long as kSize comparisons, and `min_size`, from
  // which on they are judged, are left.
  void Add(Entry entry, int64_t min_size = 0);

  // What is seen in the window and in `newest`, which is not in it, together.
  BatchEvidence SumWith(const BatchEvidence& newest) const;

  // Of the entries, the oldest first, each once.
  std::vector<std::string> comparison_ids() const;
  std::vector<std::string> batch_ids() const;

 private:
  std::deque<Entry> entries_;  // the oldest first
  int64_t num_comparisons_ = 0;
};

}  // namespace rlhf
