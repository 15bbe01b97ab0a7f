// Byte-pair encoding of one word: the adjacent pair with the lowest rank is
// merged, again and again (Sennrich et al. 2016, arXiv:1508.07909).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Const methods may run at once.
class BpeMerges {
 public:
  // `byte_ids[b]` is the token of byte b; -1 if it has none and is left out.
  explicit BpeMerges(std::vector<int32_t> byte_ids)
      : byte_ids_(std::move(byte_ids)) {}

  // Declares that `left` and `right` merge to `merged`; pairs declared earlier
  // come first. Of a pair declared twice the last counts.
  void Add(int32_t left, int32_t right, int32_t merged);

  // Appends the tokens of `word` (raw bytes) to `ids`. O(n log n).
  void Encode(absl::string_view word, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    int32_t rank;
    int32_t merged;
  };

  const std::vector<int32_t> byte_ids_;
  absl::flat_hash_map<std::pair<int32_t, int32_t>, Merge> merges_;
  int32_t next_rank_ = 0;
};

}  // namespace rlhf
