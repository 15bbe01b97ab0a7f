// Finds comparisons that nearly repeat another: the same question and the same
// two answers but for a few words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "feedback/batch/min_hash.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// What is kept of a comparison to know its near duplicates by.
struct NearKey {
  // Which pair it is (ComparisonKey::pair).
  uint64_t pair = 0;
  // Of the two responses.
  MinHash responses;
  // Of the last message of the prompt: earlier ones are shared by all turns of
  // a dialogue.
  MinHash question;
};
NearKey NearKeyOf(const v1::Comparison& comparison, uint64_t pair);

// The newest `capacity` comparisons, with their signatures in bands: those that
// share a band are compared (Leskovec, Rajaraman and Ullman, "Mining of Massive
// Datasets", 3.4). Two that are alike count as near duplicates if the estimated
// similarity of both responses and question is at least 0.8; 16 bands of 4
// values find 99.98 % of those at 0.8 and look at 6 % of those at 0.25.
//
// Memory is fixed when it is made: 16 tables of one place per comparison, where
// a newer one takes the place of an older (at most 16 × 4 + 136 bytes each).
// Thread-compatible.
class NearDuplicates {
 public:
  // `capacity` is rounded up to a power of two.
  explicit NearDuplicates(size_t capacity);

  // Whether a comparison of another pair that was added nearly repeats `key`.
  bool Has(const NearKey& key) const;
  void Add(const NearKey& key);

 private:
  static constexpr size_t kBands = 16;
  static constexpr size_t kRows = MinHash::kSize / kBands;

  struct Entry {
    uint64_t pair = 0;
    ShortHash responses = {};
    ShortHash question = {};
  };

  size_t PlaceOf(const NearKey& key, size_t band) const;

  size_t capacity_;
  std::vector<Entry> entries_;  // a ring
  // Of each band, the number of an entry plus 1; 0 is none.
  std::array<std::vector<uint32_t>, kBands> places_;
  uint64_t num_added_ = 0;
};

}  // namespace rlhf
