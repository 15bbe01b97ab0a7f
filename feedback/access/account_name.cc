#include "feedback/access/account_name.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/text/code_points.h"
#include "core/text/scripts.h"

namespace rlhf {
namespace {

constexpr size_t kMaxNameBytes = 40;
// A letter with dots that nobody sees: it is no space for Unicode.
constexpr utf8proc_int32_t kBlankBraille = 0x2800;

bool IsSeen(utf8proc_int32_t code_point) {
  if (code_point == ' ') return true;
  if (code_point == kBlankBraille) return false;
  const utf8proc_property_t* const property = utf8proc_get_property(code_point);
  if (property->ignorable) return false;
  switch (property->category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

// NFKC without what Unicode lets a program leave out, as names from before may
// have it; with `fold_case` NFKC_Casefold. What is no UTF-8 stays as it is.
std::string Normalized(const std::string& name, bool fold_case) {
  constexpr int kNfkc =
      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_IGNORE;
  uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const uint8_t*>(name.data()),
                   static_cast<utf8proc_ssize_t>(name.size()), &mapped,
                   static_cast<utf8proc_option_t>(
                       kNfkc | (fold_case ? UTF8PROC_CASEFOLD : 0)));
  if (size < 0) return name;
  std::string text(reinterpret_cast<const char*>(mapped),
                   static_cast<size_t>(size));
  std::free(mapped);
  return text;
}

// Greek and Cyrillic letters, each before the Latin one that it looks like.
constexpr char32_t kLookAlikes[][2] = {
    {U'а', U'a'}, {U'е', U'e'}, {U'о', U'o'}, {U'р', U'p'}, {U'с', U'c'},
    {U'у', U'y'}, {U'х', U'x'}, {U'і', U'i'}, {U'ј', U'j'}, {U'ѕ', U's'},
    {U'һ', U'h'}, {U'ԁ', U'd'}, {U'ԛ', U'q'}, {U'ԝ', U'w'}, {U'ӏ', U'l'},
    {U'ё', U'ë'}, {U'ї', U'ï'}, {U'А', U'A'}, {U'В', U'B'}, {U'Е', U'E'},
    {U'К', U'K'}, {U'М', U'M'}, {U'Н', U'H'}, {U'О', U'O'}, {U'Р', U'P'},
    {U'С', U'C'}, {U'Т', U'T'}, {U'У', U'Y'}, {U'Х', U'X'}, {U'І', U'I'},
    {U'Ј', U'J'}, {U'Ѕ', U'S'}, {U'Ԛ', U'Q'}, {U'Ԝ', U'W'}, {U'Ӏ', U'I'},
    {U'Ё', U'Ë'}, {U'Ї', U'Ï'}, {U'α', U'a'}, {U'ι', U'i'}, {U'κ', U'k'},
    {U'ν', U'v'}, {U'ο', U'o'}, {U'ρ', U'p'}, {U'υ', U'u'}, {U'Α', U'A'},
    {U'Β', U'B'}, {U'Ε', U'E'}, {U'Ζ', U'Z'}, {U'Η', U'H'}, {U'Ι', U'I'},
    {U'Κ', U'K'}, {U'Μ', U'M'}, {U'Ν', U'N'}, {U'Ο', U'O'}, {U'Ρ', U'P'},
    {U'Τ', U'T'}, {U'Υ', U'Y'}, {U'Χ', U'X'}, {U'ı', U'i'},
};

char32_t AsLatin(char32_t letter) {
  for (const auto& [other, latin] : kLookAlikes) {
    if (letter == other) return latin;
  }
  return letter;
}

// In one font or another these are the same stroke or ring.
char32_t AsStrokeOrRing(char32_t character) {
  if (character == U'I' || character == U'1' || character == U'|') return U'l';
  return character == U'0' ? U'O' : character;
}

// As people write a name that is taken: r00t, adm1n.
char32_t AsLetter(char32_t character) {
  return character == U'0' ? U'o' : character == U'1' ? U'i' : character;
}

// `text` with every code point as `as` has it, and one space where there are
// several.
template <typename As>
std::string Replaced(absl::string_view text, As as) {
  std::string replaced;
  ForEachCodePoint(text, [&](utf8proc_int32_t code_point) {
    if (code_point == ' ' && absl::EndsWith(replaced, " ")) return;
    uint8_t bytes[4];
    const utf8proc_ssize_t size = utf8proc_encode_char(
        static_cast<utf8proc_int32_t>(as(static_cast<char32_t>(code_point))),
        bytes);
    replaced.append(reinterpret_cast<const char*>(bytes),
                    static_cast<size_t>(size));
  });
  return replaced;
}

absl::Status CheckOneAlphabet(const std::string& name) {
  std::set<Script> found;
  ForEachCodePoint(
      Normalized(name, /*fold_case=*/false), [&](utf8proc_int32_t code_point) {
        const auto script = ScriptOf(static_cast<char32_t>(code_point));
        if (script == Script::kLatin || script == Script::kGreek ||
            script == Script::kCyrillic) {
          found.insert(script);
        }
      });
  if (found.size() <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the name mixes letters of Latin, Greek and Cyrillic, some of which look "
      "the same: write it in one of them");
}

}  // namespace

LookOfName::LookOfName(const std::string& name)
    : folded_(Replaced(Normalized(name, /*fold_case=*/true),
                       [](char32_t c) { return AsLetter(AsLatin(c)); })),
      seen_(Replaced(Normalized(name, /*fold_case=*/false),
                     [](char32_t c) { return AsStrokeOrRing(AsLatin(c)); })) {}

absl::Status CheckKeptAccountName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the name has ", name.size(),
                                                   " bytes; it must have 1 to ",
                                                   kMaxNameBytes));
  }
  const auto is_control = [](unsigned char c) {
    return absl::ascii_iscntrl(c);
  };
  if (std::any_of(name.begin(), name.end(), is_control) ||
      absl::StripAsciiWhitespace(name) != name) {
    return absl::InvalidArgumentError(
        "the name holds a control character, or begins or ends with a space");
  }
  // What is no UTF-8 would be written as something else.
  const auto read = ParseJson(DumpJson(Json(name)));
  if (!read.ok() || *read != Json(name)) {
    return absl::InvalidArgumentError("the name is not UTF-8");
  }
  return absl::OkStatus();
}

absl::Status CheckAccountName(const std::string& name) {
  RLHF_RETURN_IF_ERROR(CheckKeptAccountName(name));
  absl::Status status = absl::OkStatus();
  const bool is_utf8 = ForEachCodePoint(name, [&](utf8proc_int32_t code_point) {
    if (!status.ok() || IsSeen(code_point)) return;
    status = absl::InvalidArgumentError(absl::StrFormat(
        "the name holds U+%04X, which nobody sees: two names that look the "
        "same could be different people; leave it out",
        code_point));
  });
  RLHF_RETURN_IF_ERROR(status);
  if (!is_utf8) return absl::InvalidArgumentError("the name is not UTF-8");
  return CheckOneAlphabet(name);
}

}  // namespace rlhf
