#include "core/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// GPT-2's pattern, which ByteLevel applies.
constexpr char kByteLevelPattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

// White space as Unicode defines it. PCRE2's own \s adds U+180E.
constexpr char kSpaces[] =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"
    "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

// `pattern` with \s and \S spelled out.
std::string SpellOutSpaces(absl::string_view pattern) {
  std::string result;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        absl::StrAppend(&result,
                        in_class ? kSpaces : absl::StrCat("[", kSpaces, "]"));
      } else if (escaped == 'S' && !in_class) {
        absl::StrAppend(&result, "[^", kSpaces, "]");
      } else {
        result.push_back(c);
        result.push_back(escaped);
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    result.push_back(c);
  }
  return result;
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

// One cut of every piece into smaller ones: at each match of a pattern, with
// the matches kept as pieces of their own ("Isolated").
class PreTokenizer::Step {
 public:
  static absl::StatusOr<std::unique_ptr<Step>> Create(
      absl::string_view pattern) {
    const std::string spelled = SpellOutSpaces(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    auto step = std::make_unique<Step>();
    step->code_.reset(pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
        PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
    if (step->code_ == nullptr) {
      PCRE2_UCHAR message[256] = {};
      pcre2_get_error_message(error, message, sizeof(message));
      return absl::InvalidArgumentError(
          absl::StrCat("pre_tokenizer pattern is not understood: ",
                       reinterpret_cast<const char*>(message)));
    }
    pcre2_jit_compile(step->code_.get(), PCRE2_JIT_COMPLETE);
    return step;
  }

  void Cut(absl::string_view text, std::vector<absl::string_view>& out) const {
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    size_t done = 0, position = 0;
    while (position < text.size()) {
      const int result =
          pcre2_match(code_.get(), subject, text.size(), position,
                      PCRE2_NO_UTF_CHECK, match.get(), nullptr);
      // No further match, or a pattern that hit PCRE2's own limits on hostile
      // input: the rest stays one piece.
      if (result < 0) break;
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
      if (span[1] == span[0]) {
        ++position;
        continue;
      }
      if (span[0] > done) out.push_back(text.substr(done, span[0] - done));
      out.push_back(text.substr(span[0], span[1] - span[0]));
      done = position = span[1];
    }
    if (done < text.size()) out.push_back(text.substr(done));
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(
    const Json& json) {
  std::unique_ptr<PreTokenizer> result(new PreTokenizer());
  if (!json.is_null()) RLHF_RETURN_IF_ERROR(result->Add(json));
  return result;
}

absl::Status PreTokenizer::Add(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(const std::string type, GetString(json, "type"));
  std::string pattern;
  if (type == "Sequence") {
    const auto parts = json.find("pretokenizers");
    if (parts == json.end() || !parts->is_array()) {
      return absl::InvalidArgumentError("pre_tokenizer Sequence has no parts");
    }
    for (const Json& part : *parts) RLHF_RETURN_IF_ERROR(Add(part));
    return absl::OkStatus();
  }
  if (type == "Digits") {
    pattern = json.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+";
  } else if (type == "ByteLevel") {
    if (json.value("add_prefix_space", true)) {
      if (!steps_.empty()) {
        return absl::UnimplementedError(
            "pre_tokenizer ByteLevel with add_prefix_space after another step");
      }
      add_prefix_space_ = true;
    }
    if (!json.value("use_regex", true)) return absl::OkStatus();
    pattern = kByteLevelPattern;
  } else if (type == "Split") {
    const auto given = json.find("pattern");
    if (given == json.end() || !given->contains("Regex") ||
        json.value("behavior", "") != "Isolated" ||
        json.value("invert", false)) {
      return absl::UnimplementedError(
          "pre_tokenizer Split is known with a Regex pattern, behavior "
          "Isolated and invert false only");
    }
    RLHF_ASSIGN_OR_RETURN(pattern, GetString(*given, "Regex"));
  } else {
    return absl::UnimplementedError(absl::StrCat(
        "pre_tokenizer \"", type,
        "\" is not known; known are Sequence, Digits, ByteLevel and Split"));
  }
  RLHF_ASSIGN_OR_RETURN(steps_.emplace_back(), Step::Create(pattern));
  return absl::OkStatus();
}

void PreTokenizer::Split(absl::string_view text, std::string& storage,
                         std::vector<absl::string_view>& words) const {
  if (add_prefix_space_ && !absl::StartsWith(text, " ")) {
    storage = absl::StrCat(" ", text);
    text = storage;
  }
  std::vector<absl::string_view> pieces = {text}, finer;
  for (const std::unique_ptr<Step>& step : steps_) {
    finer.clear();
    for (const absl::string_view piece : pieces) step->Cut(piece, finer);
    pieces.swap(finer);
  }
  words.insert(words.end(), pieces.begin(), pieces.end());
}

}  // namespace rlhf
