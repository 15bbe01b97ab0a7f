// Which language a text is in, as far as its script and its commonest words
// tell.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// "unknown" where the text does not say: too short, code, names, a mixture.
inline constexpr char kUnknownLanguage[] = "unknown";

// Returns an ISO 639-1 code, an ISO 15924 script where one script is written by
// several languages that this does not tell apart ("Cyrl", "Arab", "Deva"), or
// "unknown".
//
// The script that most letters of the first 4,096 bytes are in decides, if it
// has at least two thirds of them: Chinese characters beside any kana are
// Japanese. A text in Latin script is in the language (English, German, French,
// Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Turkish, Indonesian,
// Vietnamese) whose commonest words are at least two of its words, a twentieth
// of them, and a quarter more than of the next language.
std::string DetectLanguage(absl::string_view text);

}  // namespace rlhf
