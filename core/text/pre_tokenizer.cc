#include "core/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/text/json_options.h"
#include "core/text/unicode_tables.h"

namespace rlhf {
namespace {

// GPT-2's pattern, which ByteLevel applies.
constexpr char kByteLevelPattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

// What \p{…} may name: the categories whose new members are known.
constexpr const char* kCategories[] = {"L", "Lu", "Ll", "Lt", "Lm", "Lo",
                                       "M", "N",  "Nd", "Nl", "No"};

absl::Status UnknownSyntax(absl::string_view pattern, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(
      "pre_tokenizer pattern ", pattern, ": \"", what,
      "\" may mean something else to Hugging Face's tokenizers than to us"));
}

// Translates a pattern to PCRE2's notation and Hugging Face's Unicode tables.
// What is not known to mean the same to both is refused.
class PatternWriter {
 public:
  explicit PatternWriter(absl::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Write() {
    for (size_t i = 0; i < pattern_.size();) {
      const char c = pattern_[i];
      size_t size = 1;
      if (c == '\\') {
        RLHF_ASSIGN_OR_RETURN(size, WriteEscape(pattern_.substr(i)));
        after_count_ = false;
      } else if (absl::StrContains(in_class_ ? "[&" : "^$.", c)) {
        return UnknownSyntax(pattern_, std::string(1, c));
      } else if (c == '+' && i > 0 && pattern_[i - 1] == '}' && after_count_) {
        return UnknownSyntax(pattern_, "}+");
      } else {
        if (c == '[') in_class_ = true;
        if (c == ']') in_class_ = false;
        // "{1,3}" outside of escapes, which swallow their own braces.
        after_count_ = c == '}' && !in_class_;
        result_.push_back(c);
      }
      i += size;
    }
    return result_;
  }

 private:
  // Writes what begins with a backslash; returns its length.
  absl::StatusOr<size_t> WriteEscape(absl::string_view rest) {
    const char c = rest.size() > 1 ? rest[1] : '\\';
    if (c == 'p' || c == 'P') return WriteCategory(rest);
    if (c == 's' || c == 'S') {
      return WriteSet(rest.substr(0, 2), c == 'S', kWhiteSpace);
    }
    const bool known =
        absl::StrContains("rnt", c) || absl::StartsWith(rest, "\\x{");
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) && !known) {
      return UnknownSyntax(pattern_, rest.substr(0, 2));
    }
    absl::StrAppend(&result_, rest.substr(0, 2));
    return 2;
  }

  absl::StatusOr<size_t> WriteCategory(absl::string_view rest) {
    const absl::string_view source = rest.substr(0, rest.find('}') + 1);
    const absl::string_view name = source.size() < 5 || source[2] != '{'
                                       ? absl::string_view()
                                       : source.substr(3, source.size() - 4);
    if (!absl::c_linear_search(kCategories, name)) {
      return UnknownSyntax(pattern_, source.empty() ? rest : source);
    }
    return WriteSet(source, rest[1] == 'P',
                    absl::StrCat("\\p{", name, "}", NewCharacters(name)));
  }

  // Writes a set of characters, or all others, for `source`.
  absl::StatusOr<size_t> WriteSet(absl::string_view source, bool negated,
                                  absl::string_view members) {
    if (in_class_ && negated) return UnknownSyntax(pattern_, source);
    if (in_class_) {
      absl::StrAppend(&result_, members);
    } else {
      absl::StrAppend(&result_, negated ? "[^" : "[", members, "]");
    }
    return source.size();
  }

  const absl::string_view pattern_;
  std::string result_;
  bool in_class_ = false;
  bool after_count_ = false;
};

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
    RLHF_ASSIGN_OR_RETURN(const std::string spelled,
                          PatternWriter(pattern).Write());
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
          absl::StrCat("pre_tokenizer pattern ", pattern, ": ",
                       reinterpret_cast<const char*>(message)));
    }
    // Without it matching is slower, not different.
    pcre2_jit_compile(step->code_.get(), PCRE2_JIT_COMPLETE);
    return step;
  }

  void Cut(absl::string_view text, std::vector<absl::string_view>& out) const {
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    size_t done = 0, position = 0;
    while (position < text.size()) {
      const int result = Match(text, position, match.get());
      // No further match, or a hostile pattern that ran into PCRE2's limits:
      // the rest stays one piece.
      if (result < 0) break;
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
      if (span[1] == span[0]) {
        position = NextCharacter(text, span[1]);
        continue;
      }
      if (span[0] > done) out.push_back(text.substr(done, span[0] - done));
      out.push_back(text.substr(span[0], span[1] - span[0]));
      done = position = span[1];
    }
    if (done < text.size()) out.push_back(text.substr(done));
  }

 private:
  static size_t NextCharacter(absl::string_view text, size_t position) {
    do {
      ++position;
    } while (position < text.size() &&
             (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
    return position;
  }

  int Match(absl::string_view text, size_t position,
            pcre2_match_data* match) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int result = pcre2_match(code_.get(), subject, text.size(), position,
                                   PCRE2_NO_UTF_CHECK, match, nullptr);
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
    // The interpreter keeps its state on the heap.
    return pcre2_match(code_.get(), subject, text.size(), position,
                       PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, nullptr);
  }

  std::unique_ptr<pcre2_code, FreeCode> code_;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(
    const Json& json) {
  std::unique_ptr<PreTokenizer> result(new PreTokenizer());
  if (!json.is_null()) RLHF_RETURN_IF_ERROR(result->Add(json));
  if (!result->ends_in_bytes_) {
    return absl::UnimplementedError(
        "the pre_tokenizer does not end with ByteLevel");
  }
  return result;
}

absl::Status PreTokenizer::Add(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(const std::string type, GetString(json, "type"));
  if (ends_in_bytes_) {
    return absl::UnimplementedError(
        absl::StrCat("pre_tokenizer \"", type, "\" after ByteLevel"));
  }
  if (type == "Sequence") {
    RLHF_ASSIGN_OR_RETURN(const Json parts,
                          GetListOr(json, "pretokenizers", Json::array()));
    for (const Json& part : parts) RLHF_RETURN_IF_ERROR(Add(part));
    return absl::OkStatus();
  }
  if (type == "Digits") {
    RLHF_ASSIGN_OR_RETURN(const bool each,
                          GetBoolOr(json, "individual_digits", false));
    const std::string number = absl::StrCat("[\\p{N}", kNewestNumbers, "]");
    return AddStep(each ? number : absl::StrCat(number, "+"));
  }
  if (type == "ByteLevel") return AddByteLevel(json);
  if (type == "Split") return AddSplit(json);
  return absl::UnimplementedError(absl::StrCat(
      "pre_tokenizer \"", type,
      "\" is not known; known are Sequence, Digits, ByteLevel and Split"));
}

absl::Status PreTokenizer::AddByteLevel(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(add_prefix_space_,
                        GetBoolOr(json, "add_prefix_space", true));
  RLHF_ASSIGN_OR_RETURN(const bool use_regex,
                        GetBoolOr(json, "use_regex", true));
  if (add_prefix_space_ && !steps_.empty()) {
    return absl::UnimplementedError(
        "pre_tokenizer ByteLevel with add_prefix_space after another step");
  }
  ends_in_bytes_ = true;
  return use_regex ? AddStep(kByteLevelPattern) : absl::OkStatus();
}

absl::Status PreTokenizer::AddSplit(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(const std::string behavior,
                        GetString(json, "behavior"));
  RLHF_ASSIGN_OR_RETURN(const bool invert, GetBoolOr(json, "invert", false));
  const auto pattern = json.find("pattern");
  if (behavior != "Isolated" || invert || pattern == json.end() ||
      !pattern->is_object() || !pattern->contains("Regex")) {
    return absl::UnimplementedError(
        "pre_tokenizer Split is known with a Regex pattern, behavior "
        "\"Isolated\" and invert false only");
  }
  RLHF_ASSIGN_OR_RETURN(const std::string regex, GetString(*pattern, "Regex"));
  return AddStep(regex);
}

absl::Status PreTokenizer::AddStep(absl::string_view pattern) {
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
