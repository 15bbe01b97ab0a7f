// Reads the <row …/> elements of a Stack Exchange data dump, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

struct XmlRow {
  // Where its "<" stands in the file, in bytes from the beginning.
  int64_t offset = 0;
  // Values with their character references replaced.
  std::map<std::string, std::string> attributes;
};

// Holds one row, of at most 16 MiB, whatever the size of the file. All other
// elements, comments and declarations are passed over; entities that a file
// declares are not known. Not thread-safe.
class XmlRowReader {
 public:
  // `stream` is not owned, must be UTF-8 or ASCII, and must be used by nobody
  // else meanwhile.
  explicit XmlRowReader(std::istream* stream) : stream_(stream) {}

  // Goes to `offset`, where a row or the file begins.
  // Errors: InvalidArgument if the stream cannot be read twice (a pipe).
  absl::Status Seek(int64_t offset);

  // The next row, nothing at the end of the file.
  //
  // Errors, with the byte where the row begins:
  //   InvalidArgument  a row that does not end, is too long or has a malformed
  //                    or repeated attribute; a NUL
  //   Unavailable      the stream failed
  absl::StatusOr<std::optional<XmlRow>> Next();

 private:
  static constexpr int kEnd = -1;

  int64_t at() const {
    return buffer_begin_ + static_cast<int64_t>(in_buffer_);
  }
  absl::StatusOr<std::optional<XmlRow>> ReadRow();
  absl::Status ReadAttributes(XmlRow& row);
  absl::Status ReadAttribute(XmlRow& row);
  void SkipMarkup();
  std::string ReadName();
  void SkipSpace();
  // The next byte, as unsigned char, or kEnd.
  int Peek();
  int Take();
  absl::Status RowError(absl::string_view problem) const;

  std::istream* const stream_;
  // Bytes of the file from buffer_begin_ on; the next one is in_buffer_.
  std::string buffer_;
  int64_t buffer_begin_ = 0;
  size_t in_buffer_ = 0;
  int64_t row_begin_ = 0;
  bool saw_nul_ = false;
};

}  // namespace rlhf
