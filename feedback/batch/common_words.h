// The commonest words of languages in Latin script.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

// Codes of the languages; the place of one is its bit in LanguagesOfWord.
const std::vector<std::string>& CommonWordLanguages();

// The languages that `word`, in lower case, is one of the commonest words of,
// one bit each; 0 if of none.
uint32_t LanguagesOfWord(absl::string_view word);

}  // namespace rlhf
