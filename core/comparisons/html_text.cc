#include "core/comparisons/html_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace rlhf {
namespace {

// Longer ones are none.
constexpr size_t kMaxEntityBytes = 12;

struct Entity {
  absl::string_view name;
  absl::string_view text;
};
constexpr Entity kEntities[] = {
    {"amp", "&"},         {"lt", "<"},          {"gt", ">"},
    {"quot", "\""},       {"apos", "'"},        {"nbsp", "\u00A0"},
    {"hellip", "\u2026"}, {"mdash", "\u2014"},  {"ndash", "\u2013"},
    {"lsquo", "\u2018"},  {"rsquo", "\u2019"},  {"ldquo", "\u201C"},
    {"rdquo", "\u201D"},  {"laquo", "\u00AB"},  {"raquo", "\u00BB"},
    {"bull", "\u2022"},   {"middot", "\u00B7"}, {"copy", "\u00A9"},
    {"reg", "\u00AE"},    {"trade", "\u2122"},  {"deg", "\u00B0"},
    {"times", "\u00D7"},  {"plusmn", "\u00B1"}, {"le", "\u2264"},
    {"ge", "\u2265"},     {"ne", "\u2260"},     {"larr", "\u2190"},
    {"rarr", "\u2192"},   {"euro", "\u20AC"},   {"pound", "\u00A3"},
};

// Elements that stand in lines of their own, with an empty line around them.
constexpr absl::string_view kBlocks[] = {
    "p",  "div", "blockquote", "ul", "ol", "dl", "table", "hr",
    "h1", "h2",  "h3",         "h4", "h5", "h6", "pre"};
// Elements that begin a line.
constexpr absl::string_view kLines[] = {"li", "tr", "dt", "dd"};

template <size_t N>
bool IsOneOf(absl::string_view name, const absl::string_view (&names)[N]) {
  return std::find(names, names + N, name) != names + N;
}

void AppendUtf8(uint32_t c, std::string& out) {
  if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
  const auto put = [&](uint32_t byte) {
    out.push_back(static_cast<char>(byte));
  };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

// Appends what "&`name`;" stands for; false if it stands for nothing.
bool AppendEntity(absl::string_view name, std::string& out) {
  if (absl::ConsumePrefix(&name, "#")) {
    const bool hex =
        absl::ConsumePrefix(&name, "x") || absl::ConsumePrefix(&name, "X");
    const bool digits =
        std::all_of(name.begin(), name.end(), [&](unsigned char c) {
          return hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
        });
    if (name.empty() || !digits) return false;
    uint32_t c = 0;
    const bool fits =
        hex ? absl::SimpleHexAtoi(name, &c) : absl::SimpleAtoi(name, &c);
    AppendUtf8(fits ? c : 0, out);
    return true;
  }
  for (const Entity& entity : kEntities) {
    if (entity.name != name) continue;
    out.append(entity.text.data(), entity.text.size());
    return true;
  }
  return false;
}

// Puts words and breaks together. What stands between two words is decided when
// the second one comes.
class TextWriter {
 public:
  void AddText(absl::string_view text) {
    for (const char c : text) {
      if (pre_depth_ == 0 &&
          absl::ascii_isspace(static_cast<unsigned char>(c))) {
        has_space_ = true;
        continue;
      }
      AddWhatIsBetween();
      out_.push_back(c);
    }
  }

  void AddSpace() { has_space_ = true; }

  // At least `num_breaks` line breaks, or one more than there are. Two of them
  // are an empty line, and more is not needed.
  void Break(size_t num_breaks) {
    num_breaks_ = std::max(num_breaks_, num_breaks);
  }
  void BreakLine() { num_breaks_ = std::min<size_t>(num_breaks_ + 1, 2); }

  void SetBullet(bool has_bullet) { has_bullet_ = has_bullet; }

  void OpenPre() { ++pre_depth_; }
  void ClosePre() { pre_depth_ -= pre_depth_ > 0 ? 1 : 0; }

  std::string Take() && {
    absl::StripTrailingAsciiWhitespace(&out_);
    return std::move(out_);
  }

 private:
  void AddWhatIsBetween() {
    if (num_breaks_ > 0) absl::StripTrailingAsciiWhitespace(&out_);
    if (!out_.empty()) {
      if (num_breaks_ > 0) {
        out_.append(num_breaks_, '\n');
      } else if (has_space_) {
        out_.push_back(' ');
      }
    }
    if (has_bullet_) out_.append("- ");
    num_breaks_ = 0;
    has_space_ = false;
    has_bullet_ = false;
  }

  std::string out_;
  size_t num_breaks_ = 0;
  bool has_space_ = false;
  bool has_bullet_ = false;
  int pre_depth_ = 0;
};

class HtmlReader {
 public:
  explicit HtmlReader(absl::string_view html) : html_(html) {}

  std::string Read() {
    while (at_ < html_.size()) {
      const size_t end = std::min(html_.find('<', at_), html_.size());
      writer_.AddText(DecodeEntities(html_.substr(at_, end - at_)));
      at_ = end;
      if (at_ == html_.size() || SkipComment() || ReadTag()) continue;
      writer_.AddText("<");
      ++at_;
    }
    return std::move(writer_).Take();
  }

 private:
  // Comments and declarations; one without an end takes all that is left.
  bool SkipComment() {
    const absl::string_view rest = html_.substr(at_);
    const bool is_comment = absl::StartsWith(rest, "<!--");
    if (!is_comment && !absl::StartsWith(rest, "<!") &&
        !absl::StartsWith(rest, "<?")) {
      return false;
    }
    const absl::string_view mark = is_comment ? "-->" : ">";
    const size_t end = html_.find(mark, at_ + 2);
    at_ = end == html_.npos ? html_.size() : end + mark.size();
    return true;
  }

  bool ReadTag() {
    size_t name_begin = at_ + 1;
    const bool closes = html_.substr(name_begin, 1) == "/";
    if (closes) ++name_begin;
    size_t name_end = name_begin;
    while (name_end < html_.size() &&
           absl::ascii_isalnum(static_cast<unsigned char>(html_[name_end]))) {
      ++name_end;
    }
    if (name_end == name_begin ||
        !absl::ascii_isalpha(static_cast<unsigned char>(html_[name_begin]))) {
      return false;
    }
    const size_t end = FindTagEnd(name_end);
    if (end == html_.npos) return false;
    Apply(
        absl::AsciiStrToLower(html_.substr(name_begin, name_end - name_begin)),
        closes);
    at_ = end + 1;
    return true;
  }

  // The ">" of a tag, which attribute values may hold too.
  size_t FindTagEnd(size_t begin) {
    if (is_cut_off_) return html_.npos;
    char quote = 0, before = 0;
    for (size_t i = begin; i < html_.size(); ++i) {
      const char c = html_[i];
      if (quote == 0 && c == '>') return i;
      if (c == quote) {
        quote = 0;
      } else if (quote == 0 && (c == '"' || c == '\'') && before == '=') {
        quote = c;
      }
      if (!absl::ascii_isspace(static_cast<unsigned char>(c))) before = c;
    }
    // Looking again for each later "<" would take quadratic time.
    is_cut_off_ = true;
    return html_.npos;
  }

  void Apply(absl::string_view name, bool closes) {
    if (name == "br") return writer_.BreakLine();
    if (name == "td" || name == "th") return writer_.AddSpace();
    if (IsOneOf(name, kLines)) writer_.Break(1);
    if (IsOneOf(name, kBlocks)) writer_.Break(2);
    if (name == "li") writer_.SetBullet(!closes);
    if (name == "pre") closes ? writer_.ClosePre() : writer_.OpenPre();
  }

  const absl::string_view html_;
  size_t at_ = 0;
  bool is_cut_off_ = false;
  TextWriter writer_;
};

}  // namespace

std::string DecodeEntities(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const size_t begin = text.find('&');
    out.append(text.data(), std::min(begin, text.size()));
    if (begin == text.npos) return out;
    text.remove_prefix(begin + 1);
    const size_t end = text.substr(0, kMaxEntityBytes).find(';');
    if (end != text.npos && AppendEntity(text.substr(0, end), out)) {
      text.remove_prefix(end + 1);
    } else {
      out.push_back('&');
    }
  }
}

std::string HtmlToText(absl::string_view html) {
  return HtmlReader(html).Read();
}

}  // namespace rlhf
