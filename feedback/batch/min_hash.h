// Texts as sets of shingles, and signatures that tell how much two sets share
// (Broder 1997, "On the resemblance and containment of documents").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

// Adds the hashes of `text`'s shingles to `shingles`: every three words in a
// row, or all words if there are fewer. A word is a run of ASCII letters and
// digits, case aside, or any other character that is not ASCII, so that scripts
// without spaces have words too.
void AddShingles(absl::string_view text, std::vector<uint32_t>& shingles);

// The smallest values of kSize hash functions over a set. Two sets agree in a
// place with the probability of their Jaccard similarity: what they share over
// what either has.
class MinHash {
 public:
  static constexpr size_t kSize = 64;
  using Values = std::array<uint32_t, kSize>;

  explicit MinHash(const std::vector<uint32_t>& shingles);

  const Values& values() const { return values_; }

 private:
  Values values_;
};

// A byte of each value: a 64th of the memory of a long text. Two bytes of
// unlike values are equal in one of 256 cases.
using ShortHash = std::array<uint8_t, MinHash::kSize>;
ShortHash Shortened(const MinHash& hash);

// Estimated Jaccard similarity, at most 1; 64 places give it a standard error
// of at most 0.063.
double EstimatedSimilarity(const ShortHash& a, const ShortHash& b);

}  // namespace rlhf
