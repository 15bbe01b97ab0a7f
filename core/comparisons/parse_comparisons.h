// Comparisons from files of the forms that people's data has.
//
// The form is found by the contents: a file that begins with
//   "{"  is JSONL, one record a line
//   "["  is one JSON array of records
//   and any other whose name ends in .csv is CSV (csv_comparisons.h).
// A JSON record is one of
//   {"prompt", "chosen", "rejected"}     TRL: strings or lists of messages
//   {"chosen", "rejected"}               whole dialogues: HH-RLHF or messages
//   {"response_a", "response_b", …}      v1::Comparison as JSON, lossless
//   {"fields", "responses", …} and flat  Argilla (argilla.h)
//   {"data", "annotations", …}           Label Studio (label_studio.h)
// One malformed record, and nothing of the file is read: it is not what its
// sender believes it to be. So is one that breaks the page's rules (an edit
// without a better side, negative seconds, texts beyond the limits below), and
// a file that is not UTF-8. Records that are well-formed but no preference
// (real data has some: the two sides answer different prompts) are left out and
// reported. A comparison without an id of our own is named by a hash of its
// content, so that a file imported twice is stored once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// What one comparison may hold: a message or response, a comment or reason to
// skip, the name of a worker or source, and seconds.
inline constexpr size_t kMaxTextBytes = 256 * 1024;
inline constexpr size_t kMaxRemarkBytes = 8 * 1024;
inline constexpr size_t kMaxWorkerNameBytes = 160;
inline constexpr double kMaxWorkerSeconds = 1e6;

struct RefusedLine {
  // From 1; the number of the record in an array, where the reason says so.
  int64_t line = 0;
  std::string reason;
};

struct ParsedComparisons {
  std::vector<v1::Comparison> comparisons;
  // Of each comparison, whether its form says which response was on the left:
  // pairs of a chosen and a rejected one do not, and all have A_BETTER.
  std::vector<bool> sides_known;
  std::vector<RefusedLine> refused;
};

// All that can be read of a file, for whoever judges files with faults.
struct ReadableComparisons {
  ParsedComparisons parsed;
  // Lines, or elements of an array, that hold something.
  int64_t num_records = 0;
  int64_t num_malformed = 0;
  // The first ten malformed ones: name:line, or name and the record, and what
  // is wrong.
  std::vector<std::string> malformed;
};

// As ParseComparisons, but malformed records are left out and reported.
ReadableComparisons ParseReadable(absl::string_view text,
                                  absl::string_view name);

// Reads `text`, which is the contents of `name`.
//
// Errors: InvalidArgument that gives name:line, or name and the record, of up
// to ten malformed ones, and what is wrong with each.
absl::StatusOr<ParsedComparisons> ParseComparisons(absl::string_view text,
                                                   absl::string_view name);

// The same of a file, which is named without its folders.
// Errors: as ReadFile and ParseComparisons.
absl::StatusOr<ParsedComparisons> ReadComparisons(const std::string& path);

}  // namespace rlhf
