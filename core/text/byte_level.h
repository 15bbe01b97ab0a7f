// The byte alphabet of byte-level BPE (GPT-2): each of the 256 bytes is written
// as one printable character, so that token strings are valid UTF-8.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// The character, as UTF-8, that stands for each byte.
const std::array<std::string, 256>& ByteAlphabet();

// The bytes that a token string stands for; nullopt if it holds a character
// outside the alphabet.
std::optional<std::string> BytesOfToken(absl::string_view token);

// `text` with every invalid UTF-8 sequence replaced by U+FFFD.
std::string ReplaceInvalidUtf8(absl::string_view text);

// The beginning of valid UTF-8 that has at most `max_bytes` and ends with a
// whole character.
absl::string_view CutUtf8(absl::string_view text, size_t max_bytes);

}  // namespace rlhf
