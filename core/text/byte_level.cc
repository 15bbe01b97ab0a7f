#include "core/text/byte_level.h"

#include <utf8proc.h>

#include <map>

namespace rlhf {
namespace {

std::string Utf8(int32_t code_point) {
  utf8proc_uint8_t buffer[4];
  const auto size = utf8proc_encode_char(code_point, buffer);
  return std::string(reinterpret_cast<const char*>(buffer),
                     static_cast<size_t>(size));
}

// Printable Latin-1 stands for itself; the other bytes get U+0100, U+0101, …
// in order.
std::array<std::string, 256> MakeAlphabet() {
  std::array<std::string, 256> alphabet;
  int32_t next = 0x100;
  for (int32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') ||
                           (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    alphabet[static_cast<size_t>(byte)] = Utf8(printable ? byte : next++);
  }
  return alphabet;
}

}  // namespace

const std::array<std::string, 256>& ByteAlphabet() {
  static const auto* const alphabet =
      new std::array<std::string, 256>(MakeAlphabet());
  return *alphabet;
}

std::optional<std::string> BytesOfToken(absl::string_view token) {
  static const auto* const byte_of = [] {
    auto* map = new std::map<std::string, char>();
    for (int byte = 0; byte < 256; ++byte) {
      (*map)[ByteAlphabet()[static_cast<size_t>(byte)]] =
          static_cast<char>(byte);
    }
    return map;
  }();
  std::string bytes;
  while (!token.empty()) {
    // Characters of the alphabet take one or two bytes of UTF-8.
    const size_t size = static_cast<unsigned char>(token[0]) < 0x80 ? 1 : 2;
    const auto it = byte_of->find(std::string(token.substr(0, size)));
    if (it == byte_of->end()) return std::nullopt;
    bytes.push_back(it->second);
    token.remove_prefix(size);
  }
  return bytes;
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    utf8proc_int32_t code_point = -1;
    const auto size = utf8proc_iterate(
        data + i, static_cast<utf8proc_ssize_t>(text.size() - i), &code_point);
    if (size > 0) {
      valid.append(text.data() + i, static_cast<size_t>(size));
      i += static_cast<size_t>(size);
      continue;
    }
    valid.append("\xEF\xBF\xBD");
    // One replacement for a maximal prefix of a valid sequence, as the Unicode
    // standard recommends: skip what could still have become one.
    const unsigned char lead = static_cast<unsigned char>(text[i]);
    const size_t wanted = lead >= 0xF0 && lead <= 0xF4   ? 4
                          : lead >= 0xE0 && lead <= 0xEF ? 3
                          : lead >= 0xC2 && lead <= 0xDF ? 2
                                                         : 1;
    const size_t begin = i++;
    while (i < text.size() && i - begin < wanted &&
           (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) {
      const unsigned char second = static_cast<unsigned char>(text[i]);
      const bool impossible =
          i == begin + 1 &&
          ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
           (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F));
      if (impossible) break;
      ++i;
    }
  }
  return valid;
}

absl::string_view CutUtf8(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

}  // namespace rlhf
