#include "cli/xml_text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

bool IsContinuation(char c) { return (c & 0xC0) == 0x80; }

// Bytes of the character that a first byte announces; 0 if it announces none.
size_t AnnouncedBytes(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

// The character at the start of `text`, which is not empty; empty if there is
// none (RFC 3629: overlong forms and surrogates are none).
absl::string_view FirstCharacter(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t size = AnnouncedBytes(first);
  if (size == 0 || size > text.size()) return {};
  uint32_t code = size == 1 ? first : first & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[i])) return {};
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kLeast[size] || code > 0x10FFFF || surrogate) return {};
  return text.substr(0, size);
}

bool IsAllowed(absl::string_view character) {
  if (character.empty()) return false;
  const char c = character[0];
  if (character.size() == 1) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n' ||
           c == '\r';
  }
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

absl::string_view Entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string EscapeXml(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const absl::string_view character = FirstCharacter(text);
    const absl::string_view entity = Entity(text[0]);
    absl::StrAppend(&escaped, !entity.empty()        ? entity
                              : IsAllowed(character) ? character
                                                     : kReplacement);
    text.remove_prefix(std::max<size_t>(1, character.size()));
  }
  return escaped;
}

std::string Shortened(absl::string_view text, size_t most) {
  if (NumCharacters(text) <= most) return std::string(text);
  size_t end = 0;
  for (size_t left = most - 1; left > 0; --left) {
    ++end;
    while (IsContinuation(text[end])) ++end;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

size_t NumCharacters(absl::string_view text) {
  return text.size() - std::count_if(text.begin(), text.end(), IsContinuation);
}

}  // namespace rlhf
