// Where the Unicode tables of our libraries (PCRE2 10.42: version 14, utf8proc
// 2.8: 15) differ from those inside Hugging Face's tokenizers 0.23: 16 for
// patterns, 17 for digits, and one from before version 11 for normalization.
// Found by trying every code point; tools/parity/text_parity.py tries them
// again.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// The members of general category `category` ("L", "Lu", "N", …) that PCRE2
// does not know yet, in the notation of a character class.
std::string NewCharacters(absl::string_view category);

// The same for what Digits takes as a number beyond \p{N}.
extern const char kNewestNumbers[];

// White space, in the notation of a character class. (PCRE2's own \s adds
// U+180E.)
extern const char kWhiteSpace[];

bool IsWhiteSpace(int32_t code_point);

// Letters, marks, decimal digits, connectors and joiners: Rust's \w.
bool IsWordCharacter(int32_t code_point);

// True if utf8proc would reorder or compose the code point, and Hugging Face
// leaves it and its neighbours as they stand.
bool IsInertForNfc(int32_t code_point);

}  // namespace rlhf
