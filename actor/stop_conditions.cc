#include "actor/stop_conditions.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr size_t kMaxStrings = 16;
constexpr size_t kMaxStringBytes = 256;
constexpr int kMaxBlock = 256;
constexpr int kMaxCopies = 1000;

// Bytes of the character that `lead` begins; 0 for a byte that begins none.
size_t CharacterLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC0) return 0;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

// `text` without a character at its end that may lack bytes. A byte that begins
// a character ends the one before, so cutting there changes neither part.
size_t WholeCharacters(absl::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t length =
        CharacterLength(static_cast<unsigned char>(text[text.size() - back]));
    if (length == 0) continue;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

}  // namespace

absl::Status ValidateStops(const StopConditions& stops) {
  if (stops.strings.size() > kMaxStrings) {
    return absl::InvalidArgumentError(
        absl::StrCat("stop: ", stops.strings.size(),
                     " strings; wanted at most ", kMaxStrings));
  }
  for (const std::string& text : stops.strings) {
    if (text.empty() || text.size() > kMaxStringBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop: a string of ", text.size(),
                       " bytes; wanted 1 to ", kMaxStringBytes));
    }
  }
  if (stops.repetition_block < 0 || stops.repetition_block > kMaxBlock) {
    return absl::InvalidArgumentError(
        absl::StrCat("repetition: blocks of up to ", stops.repetition_block,
                     " tokens; wanted 0 (never) to ", kMaxBlock));
  }
  if (stops.repetition_block > 0 &&
      (stops.repetition_copies < 2 || stops.repetition_copies > kMaxCopies)) {
    return absl::InvalidArgumentError(
        absl::StrCat("repetition: ", stops.repetition_copies,
                     " copies; wanted 2 to ", kMaxCopies));
  }
  return absl::OkStatus();
}

std::optional<size_t> FindStop(absl::string_view text, size_t checked,
                               const std::vector<std::string>& strings) {
  std::optional<size_t> first_begin;
  size_t first_end = 0;
  for (const std::string& string : strings) {
    // Its last byte is beyond `checked`.
    const size_t from =
        checked + 1 > string.size() ? checked + 1 - string.size() : size_t{0};
    const size_t begin = text.find(string, from);
    if (begin == absl::string_view::npos) continue;
    const size_t end = begin + string.size();
    if (!first_begin.has_value() || end < first_end ||
        (end == first_end && begin < *first_begin)) {
      first_begin = begin;
      first_end = end;
    }
  }
  return first_begin;
}

size_t SettledLength(absl::string_view text,
                     const std::vector<std::string>& strings) {
  size_t settled = WholeCharacters(text);
  for (const std::string& string : strings) {
    for (size_t length = std::min(string.size() - 1, text.size()); length > 0;
         --length) {
      if (text.size() - length >= settled) break;
      if (absl::EndsWith(text, absl::string_view(string).substr(0, length))) {
        settled = text.size() - length;
        break;
      }
    }
  }
  return settled;
}

bool EndsInRepetition(absl::Span<const int32_t> token_ids, int max_block,
                      int copies) {
  const size_t size = token_ids.size();
  for (size_t block = 1; block <= static_cast<size_t>(max_block); ++block) {
    const size_t whole = block * static_cast<size_t>(copies);
    if (whole > size) return false;
    const auto begin = token_ids.end() - static_cast<ptrdiff_t>(whole);
    // Equal to itself one block later: then all blocks are equal. Backwards,
    // since what does not repeat mostly differs at once.
    size_t i = whole;
    while (i > block && begin[i - 1] == begin[i - 1 - block]) --i;
    if (i == block) return true;
  }
  return false;
}

}  // namespace rlhf
