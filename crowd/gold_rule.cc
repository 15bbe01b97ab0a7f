#include "crowd/gold_rule.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

constexpr double kPerAddress = 0.5;
constexpr double kPerLineBreak = 0.5;
constexpr double kPerSymbol = 0.25;
constexpr double kPerLetterOverFour = 0.5;
// No part weighs more than this.
constexpr double kLimit = 2;
constexpr double kNoLetters = -8;
constexpr absl::string_view kSymbols = "*#:;()[]/_-\"`";

bool IsLetter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_isalpha(byte) || byte >= 0x80;
}

// The letters and apostrophes of each word, in lower case.
std::vector<std::string> Words(absl::string_view text) {
  std::vector<std::string> words;
  for (const absl::string_view chunk : absl::StrSplit(
           text, absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty())) {
    std::string word;
    for (const char c : chunk) {
      if (IsLetter(c) || (c == '\'' && !word.empty())) word.push_back(c);
    }
    if (!word.empty()) words.push_back(absl::AsciiStrToLower(word));
  }
  return words;
}

bool IsAddress(const std::string& word) {
  constexpr std::array<absl::string_view, 4> kAddresses = {"you", "your",
                                                           "yours", "you're"};
  return std::find(kAddresses.begin(), kAddresses.end(), word) !=
         kAddresses.end();
}

}  // namespace

double GoldScore(absl::string_view response) {
  const std::vector<std::string> words = Words(response);
  if (words.empty()) return kNoLetters;
  double letters = 0, addresses = 0, breaks = 0, symbols = 0;
  for (const std::string& word : words) {
    letters += static_cast<double>(word.size());
    addresses += IsAddress(word) ? 1 : 0;
  }
  for (const char c : response) {
    breaks += c == '\n' ? 1 : 0;
    symbols += absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                       absl::StrContains(kSymbols, c)
                   ? 1
                   : 0;
  }
  const double mean_length = letters / static_cast<double>(words.size());
  return std::min(kLimit, kPerAddress * addresses) -
         std::min(kLimit, kPerLineBreak * breaks) -
         std::min(kLimit, kPerSymbol * symbols) -
         std::clamp(kPerLetterOverFour * (mean_length - 4), 0.0, kLimit);
}

}  // namespace rlhf
