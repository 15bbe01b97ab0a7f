#include "feedback/batch/language.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/text/scripts.h"
#include "feedback/batch/common_words.h"

namespace rlhf {
namespace {

constexpr size_t kMaxBytes = 4096;
constexpr double kMainScriptShare = 2.0 / 3;
constexpr int kMinCommonWords = 2;
constexpr double kMinCommonShare = 1.0 / 20;
constexpr double kMinLead = 1.25;

// What the text says of itself.
struct Traits {
  std::array<int, kNumScripts> letters = {};  // by script
  int num_letters = 0;
  int num_words = 0;
  std::vector<int> common_words;  // by language
};

class TraitReader {
 public:
  TraitReader() { traits_.common_words.resize(CommonWordLanguages().size()); }

  void Take(char32_t code_point) {
    const Script script = ScriptOf(code_point);
    if (script != Script::kOther) {
      ++traits_.letters[static_cast<size_t>(script)];
      ++traits_.num_letters;
    }
    if (script == Script::kLatin) {
      AddToWord(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
    } else if (code_point == U'\'' || code_point == 0x2019) {
      if (!word_.empty()) word_.push_back('\'');
    } else {
      EndWord();
    }
  }

  Traits Finish() && {
    EndWord();
    return std::move(traits_);
  }

 private:
  void AddToWord(utf8proc_int32_t code_point) {
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t size = utf8proc_encode_char(code_point, bytes);
    word_.append(reinterpret_cast<const char*>(bytes),
                 static_cast<size_t>(size));
  }

  void EndWord() {
    if (word_.empty()) return;
    ++traits_.num_words;
    const uint32_t languages = LanguagesOfWord(word_);
    for (size_t i = 0; i < traits_.common_words.size(); ++i) {
      traits_.common_words[i] += (languages >> i) & 1;
    }
    word_.clear();
  }

  Traits traits_;
  std::string word_;
};

Traits ReadTraits(absl::string_view text) {
  TraitReader reader;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(std::min(text.size(), kMaxBytes));
  while (left > 0) {
    utf8proc_int32_t code_point = -1;
    utf8proc_ssize_t size = utf8proc_iterate(bytes, left, &code_point);
    if (size <= 0) {  // not UTF-8: go on after the byte
      size = 1;
      code_point = 0xFFFD;
    }
    reader.Take(static_cast<char32_t>(code_point));
    bytes += size;
    left -= size;
  }
  return std::move(reader).Finish();
}

std::string LatinLanguage(const Traits& traits) {
  size_t best = 0;
  for (size_t i = 1; i < traits.common_words.size(); ++i) {
    if (traits.common_words[i] > traits.common_words[best]) best = i;
  }
  int next = 0;
  for (size_t i = 0; i < traits.common_words.size(); ++i) {
    if (i != best) next = std::max(next, traits.common_words[i]);
  }
  const int found = traits.common_words[best];
  const bool sure = found >= kMinCommonWords &&
                    found >= kMinCommonShare * traits.num_words &&
                    found >= kMinLead * next;
  return sure ? CommonWordLanguages()[best] : kUnknownLanguage;
}

std::string LanguageOfScript(Script script, const Traits& traits) {
  switch (script) {
    case Script::kLatin:
      return LatinLanguage(traits);
    case Script::kGreek:
      return "el";
    case Script::kCyrillic:
      return "Cyrl";
    case Script::kHebrew:
      return "he";
    case Script::kArabic:
      return "Arab";
    case Script::kDevanagari:
      return "Deva";
    case Script::kBengali:
      return "bn";
    case Script::kTamil:
      return "ta";
    case Script::kThai:
      return "th";
    case Script::kHangul:
      return "ko";
    case Script::kKana:
      return "ja";
    case Script::kHan:
      return "zh";
    case Script::kOther:
      break;
  }
  return kUnknownLanguage;
}

}  // namespace

std::string DetectLanguage(absl::string_view text) {
  Traits traits = ReadTraits(text);
  // Japanese is written in both; Chinese never in kana.
  int& han = traits.letters[static_cast<size_t>(Script::kHan)];
  int& kana = traits.letters[static_cast<size_t>(Script::kKana)];
  if (kana > 0) {
    kana += han;
    han = 0;
  }
  const auto main =
      std::max_element(traits.letters.begin(), traits.letters.end());
  if (traits.num_letters == 0 ||
      *main < kMainScriptShare * traits.num_letters) {
    return kUnknownLanguage;
  }
  const auto script = static_cast<Script>(main - traits.letters.begin());
  return LanguageOfScript(script, traits);
}

}  // namespace rlhf
