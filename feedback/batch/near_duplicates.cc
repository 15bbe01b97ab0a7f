#include "feedback/batch/near_duplicates.h"

#include "core/base/hash.h"

namespace rlhf {
namespace {

constexpr double kAlike = 0.8;

MinHash HashOf(std::initializer_list<absl::string_view> texts) {
  std::vector<uint32_t> shingles;
  for (const absl::string_view text : texts) AddShingles(text, shingles);
  return MinHash(shingles);
}

size_t PowerOfTwo(size_t least) {
  size_t power = 1;
  while (power < least) power *= 2;
  return power;
}

}  // namespace

NearKey NearKeyOf(const v1::Comparison& comparison, uint64_t pair) {
  const auto& messages = comparison.prompt().messages();
  const std::string none;
  return {
      .pair = pair,
      .responses = HashOf({comparison.response_a(), comparison.response_b()}),
      .question =
          HashOf({messages.empty() ? none : messages.rbegin()->content()})};
}

NearDuplicates::NearDuplicates(size_t capacity)
    : capacity_(PowerOfTwo(capacity)) {
  for (std::vector<uint32_t>& band : places_) band.resize(capacity_);
}

size_t NearDuplicates::PlaceOf(const NearKey& key, size_t band) const {
  uint64_t hash = band;
  for (size_t row = 0; row < kRows; ++row) {
    hash = MixHash(hash, key.responses.values()[band * kRows + row]);
  }
  return hash & (capacity_ - 1);
}

bool NearDuplicates::Has(const NearKey& key) const {
  const ShortHash responses = Shortened(key.responses);
  const ShortHash question = Shortened(key.question);
  for (size_t band = 0; band < kBands; ++band) {
    const uint32_t number = places_[band][PlaceOf(key, band)];
    if (number == 0) continue;
    const Entry& entry = entries_[number - 1];
    if (entry.pair != key.pair &&
        EstimatedSimilarity(entry.responses, responses) >= kAlike &&
        EstimatedSimilarity(entry.question, question) >= kAlike) {
      return true;
    }
  }
  return false;
}

void NearDuplicates::Add(const NearKey& key) {
  const Entry entry = {.pair = key.pair,
                       .responses = Shortened(key.responses),
                       .question = Shortened(key.question)};
  const size_t number = num_added_++ & (capacity_ - 1);
  if (number == entries_.size()) {
    entries_.push_back(entry);
  } else {
    entries_[number] = entry;
  }
  for (size_t band = 0; band < kBands; ++band) {
    places_[band][PlaceOf(key, band)] = static_cast<uint32_t>(number + 1);
  }
}

}  // namespace rlhf
