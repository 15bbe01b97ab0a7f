#include "core/comparisons/csv.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"

namespace rlhf {
namespace {

absl::Status LineError(int64_t line, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", problem));
}

int64_t LineOf(absl::string_view text, size_t offset) {
  return 1 + std::count(text.begin(), text.begin() + offset, '\n');
}

// That the text is UTF-8 without NUL, which UTF-16 is full of.
absl::Status CheckEncoding(absl::string_view text) {
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    return LineError(LineOf(text, nul),
                     "a NUL byte; save the file as CSV in UTF-8");
  }
  const std::string valid = ReplaceInvalidUtf8(text);
  if (valid == text) return absl::OkStatus();
  const auto differs =
      std::mismatch(text.begin(), text.end(), valid.begin(), valid.end());
  return LineError(
      LineOf(text, static_cast<size_t>(differs.first - text.begin())),
      "not UTF-8; save the file as CSV in UTF-8");
}

class CsvParser {
 public:
  explicit CsvParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<CsvRecord>> Parse() {
    while (at_ < text_.size()) {
      CsvRecord record = {.line = line_};
      do {
        std::string& field = record.fields.emplace_back();
        RLHF_RETURN_IF_ERROR(Peek('"') ? ReadQuoted(field) : ReadPlain(field));
      } while (Take(','));
      if (!TakeLineBreak() && at_ < text_.size()) {
        return LineError(line_, "text after a closing quotation mark");
      }
      const bool is_empty_line =
          record.fields.size() == 1 && record.fields[0].empty();
      if (!is_empty_line) records_.push_back(std::move(record));
    }
    return std::move(records_);
  }

 private:
  bool Peek(char c) const { return at_ < text_.size() && text_[at_] == c; }

  bool Take(char c) {
    if (!Peek(c)) return false;
    ++at_;
    return true;
  }

  bool AtLineBreak() const {
    const absl::string_view rest = text_.substr(at_, 2);
    return rest.substr(0, 1) == "\n" || rest == "\r\n" || rest == "\r";
  }

  bool TakeLineBreak() {
    if (!AtLineBreak()) return false;
    Take('\r');
    Take('\n');
    ++line_;
    return true;
  }

  absl::Status ReadPlain(std::string& field) {
    const size_t begin = at_;
    while (at_ < text_.size() && !Peek(',') && !AtLineBreak()) {
      if (Peek('"')) {
        return LineError(line_,
                         "a quotation mark in a field without quotes; put the "
                         "field in quotes and double the mark");
      }
      ++at_;
    }
    field = std::string(text_.substr(begin, at_ - begin));
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(std::string& field) {
    const int64_t first_line = line_;
    Take('"');
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      // A closing mark, unless it is doubled.
      if (c == '"' && !Take('"')) return absl::OkStatus();
      if (c == '\n') ++line_;
      field.push_back(c);
    }
    return LineError(first_line,
                     "the quotation mark of this field is never closed");
  }

  const absl::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
  std::vector<CsvRecord> records_;
};

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text) {
  RLHF_RETURN_IF_ERROR(CheckEncoding(text));
  return CsvParser(absl::StripPrefix(text, "\xEF\xBB\xBF")).Parse();
}

}  // namespace rlhf
