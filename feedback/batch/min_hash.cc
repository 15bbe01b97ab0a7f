#include "feedback/batch/min_hash.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

constexpr size_t kWordsPerShingle = 3;

bool IsAscii(unsigned char byte) { return byte < 0x80; }
bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Hashes of the words of `text`, in order.
std::vector<uint64_t> WordHashes(absl::string_view text) {
  std::vector<uint64_t> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(Xxh3(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (IsAscii(byte)) {
      if (absl::ascii_isalnum(byte)) {
        word.push_back(absl::ascii_tolower(byte));
      } else {
        end_word();
      }
      continue;
    }
    end_word();
    size_t end = i + 1;
    while (end < text.size() && IsContinuation(text[end])) ++end;
    words.push_back(Xxh3(text.substr(i, end - i)));
    i = end - 1;
  }
  end_word();
  return words;
}

// Multiplier and offset of hash function `i`: an odd multiplier makes it a
// permutation of the 32-bit numbers.
struct Permutations {
  Permutations() {
    for (size_t i = 0; i < MinHash::kSize; ++i) {
      multiplier[i] = static_cast<uint32_t>(MixHash(0x6d696e, i)) | 1u;
      offset[i] = static_cast<uint32_t>(MixHash(0x686173, i));
    }
  }
  MinHash::Values multiplier, offset;
};

}  // namespace

void AddShingles(absl::string_view text, std::vector<uint32_t>& shingles) {
  const std::vector<uint64_t> words = WordHashes(text);
  if (words.empty()) return;
  const size_t length = std::min(words.size(), kWordsPerShingle);
  for (size_t i = 0; i + length <= words.size(); ++i) {
    uint64_t hash = 0;
    for (size_t j = i; j < i + length; ++j) hash = MixHash(hash, words[j]);
    shingles.push_back(static_cast<uint32_t>(hash >> 32));
  }
}

MinHash::MinHash(const std::vector<uint32_t>& shingles) {
  static const Permutations kPermutations;
  values_.fill(std::numeric_limits<uint32_t>::max());
  for (const uint32_t shingle : shingles) {
    for (size_t i = 0; i < kSize; ++i) {
      const uint32_t value =
          shingle * kPermutations.multiplier[i] + kPermutations.offset[i];
      values_[i] = std::min(values_[i], value);
    }
  }
}

ShortHash Shortened(const MinHash& hash) {
  ShortHash bytes;
  for (size_t i = 0; i < MinHash::kSize; ++i) {
    // The high bits of a minimum are zeros; mix before a byte is taken.
    bytes[i] = static_cast<uint8_t>((hash.values()[i] * 2'654'435'761u) >> 24);
  }
  return bytes;
}

double EstimatedSimilarity(const ShortHash& a, const ShortHash& b) {
  int equal = 0;
  for (size_t i = 0; i < MinHash::kSize; ++i) equal += a[i] == b[i] ? 1 : 0;
  const double chance = 1.0 / 256;
  const double share = static_cast<double>(equal) / MinHash::kSize;
  return std::max(0.0, (share - chance) / (1 - chance));
}

}  // namespace rlhf
