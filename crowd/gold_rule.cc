#include "crowd/gold_rule.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

constexpr double kFinished = 2;
constexpr double kTooShort = -1;
constexpr double kAddress = 0.5;
constexpr size_t kFewestWords = 4;

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

bool IsFinished(absl::string_view text) {
  text = absl::StripTrailingAsciiWhitespace(text);
  while (!text.empty() && absl::StrContains("\"')]", text.back())) {
    text.remove_suffix(1);
  }
  return !text.empty() && absl::StrContains(".!?", text.back());
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
  if (words.empty() || !IsFinished(response)) return 0;
  double score = kFinished;
  if (words.size() < kFewestWords) score += kTooShort;
  if (std::any_of(words.begin(), words.end(), IsAddress)) score += kAddress;
  return score;
}

}  // namespace rlhf
