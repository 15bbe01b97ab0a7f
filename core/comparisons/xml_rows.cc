#include "core/comparisons/xml_rows.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/html_text.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxRowBytes = 16 << 20;
constexpr size_t kBufferBytes = 16 << 10;

bool IsSpace(int c) {
  return c >= 0 && absl::ascii_isspace(static_cast<unsigned char>(c));
}

bool IsNamePart(int c) {
  return c >= 0 && (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                    c == '_' || c == '-' || c == ':' || c == '.');
}

}  // namespace

absl::Status XmlRowReader::Seek(int64_t offset) {
  const int64_t buffer_end =
      buffer_begin_ + static_cast<int64_t>(buffer_.size());
  if (offset >= buffer_begin_ && offset < buffer_end) {
    in_buffer_ = static_cast<size_t>(offset - buffer_begin_);
    return absl::OkStatus();
  }
  stream_->clear();
  stream_->seekg(static_cast<std::streamoff>(offset));
  if (stream_->fail()) {
    return absl::InvalidArgumentError(
        absl::StrCat("byte ", offset,
                     " cannot be gone to; wanted a file, which can be read "
                     "again, not a pipe"));
  }
  buffer_.clear();
  buffer_begin_ = offset;
  in_buffer_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<XmlRow>> XmlRowReader::Next() {
  auto row = ReadRow();
  if (saw_nul_) {
    return RowError("a NUL byte; wanted Posts.xml, unpacked, in UTF-8");
  }
  if (stream_->bad()) {
    return absl::UnavailableError(
        absl::StrCat("reading failed at byte ", at()));
  }
  return row;
}

absl::StatusOr<std::optional<XmlRow>> XmlRowReader::ReadRow() {
  while (true) {
    while (Peek() != '<' && Peek() != kEnd && !saw_nul_) Take();
    if (Peek() == kEnd || saw_nul_) return std::optional<XmlRow>();
    row_begin_ = at();
    Take();
    if (Peek() == '!' || Peek() == '?' || Peek() == '/') {
      SkipMarkup();
      continue;
    }
    const std::string name = ReadName();
    XmlRow row = {.offset = row_begin_};
    RLHF_RETURN_IF_ERROR(ReadAttributes(row));
    if (name == "row") return std::optional<XmlRow>(std::move(row));
  }
}

absl::Status XmlRowReader::ReadAttributes(XmlRow& row) {
  while (true) {
    SkipSpace();
    if (Peek() == '/') Take();
    if (Peek() == '>') break;
    RLHF_RETURN_IF_ERROR(ReadAttribute(row));
  }
  Take();
  return absl::OkStatus();
}

absl::Status XmlRowReader::ReadAttribute(XmlRow& row) {
  const std::string name = ReadName();
  SkipSpace();
  if (name.empty() || Peek() != '=') {
    return RowError(Peek() == kEnd ? "it has no end: the file is cut off"
                                   : "wanted attributes, NAME=\"value\"");
  }
  Take();
  SkipSpace();
  const int quote = Take();
  if (quote != '"' && quote != '\'') {
    return RowError(absl::StrCat("the value of ", name, " is not in quotes"));
  }
  std::string value;
  while (Peek() != quote) {
    if (Peek() == kEnd) return RowError("it has no end: the file is cut off");
    if (at() - row_begin_ > kMaxRowBytes || saw_nul_) {
      return RowError("it is longer than 16 MiB");
    }
    value.push_back(static_cast<char>(Take()));
  }
  Take();
  if (!row.attributes.emplace(name, DecodeEntities(value)).second) {
    return RowError(absl::StrCat(name, " is there twice"));
  }
  return absl::OkStatus();
}

void XmlRowReader::SkipMarkup() {
  std::string begin;
  while (begin.size() < 3 && Peek() != '>' && Peek() != kEnd) {
    begin.push_back(static_cast<char>(Take()));
  }
  const bool is_comment = begin == "!--";
  int dashes = 0;
  while (Peek() != kEnd) {
    const int c = Take();
    if (c == '>' && (!is_comment || dashes >= 2)) return;
    dashes = c == '-' ? dashes + 1 : 0;
  }
}

std::string XmlRowReader::ReadName() {
  std::string name;
  while (IsNamePart(Peek()) && at() - row_begin_ <= kMaxRowBytes) {
    name.push_back(static_cast<char>(Take()));
  }
  return name;
}

void XmlRowReader::SkipSpace() {
  while (IsSpace(Peek())) Take();
}

int XmlRowReader::Peek() {
  if (in_buffer_ == buffer_.size()) {
    buffer_begin_ += static_cast<int64_t>(buffer_.size());
    in_buffer_ = 0;
    buffer_.resize(kBufferBytes);
    stream_->read(buffer_.data(), static_cast<std::streamsize>(kBufferBytes));
    buffer_.resize(static_cast<size_t>(stream_->gcount()));
    if (buffer_.empty()) return kEnd;
  }
  const int c = static_cast<unsigned char>(buffer_[in_buffer_]);
  if (c == 0) saw_nul_ = true;
  return c;
}

int XmlRowReader::Take() {
  const int c = Peek();
  if (c != kEnd) ++in_buffer_;
  return c;
}

absl::Status XmlRowReader::RowError(absl::string_view problem) const {
  return absl::InvalidArgumentError(
      absl::StrCat("the element at byte ", row_begin_, ": ", problem));
}

}  // namespace rlhf
