// Comma-separated values by RFC 4180.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

struct CsvRecord {
  // Where the record begins, from 1. Line breaks inside quotes count.
  int64_t line = 0;
  std::vector<std::string> fields;
};

// Reads `text`, UTF-8 with or without a byte order mark. Fields may be in
// quotes, and then hold commas, line breaks and doubled quotes. Records end
// with CRLF or LF; empty lines are skipped. Spaces belong to their field.
//
// Errors: InvalidArgument, as "line N: …", for a quotation mark inside a field
// without quotes, anything but a comma after a closing one, a field that is
// never closed, a NUL, or bytes that are no UTF-8.
absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text);

}  // namespace rlhf
