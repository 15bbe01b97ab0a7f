// Which script a character is in, for the scripts that tell languages apart.
#pragma once

#include <cstdint>

namespace rlhf {

enum class Script {
  // Digits, punctuation, symbols, and every script that is not below.
  kOther,
  kLatin,
  kGreek,
  kCyrillic,
  kHebrew,
  kArabic,
  kDevanagari,
  kBengali,
  kTamil,
  kThai,
  kHangul,
  kKana,
  kHan,
};
inline constexpr int kNumScripts = 13;

// By Unicode block (Unicode 15, Blocks.txt); letters only where a block of
// Latin has others too.
Script ScriptOf(char32_t code_point);

}  // namespace rlhf
