// Comparisons in and out as JSONL files.
//
// A line that is read is one of
//   {"prompt", "chosen", "rejected"}  TRL: strings or lists of messages
//   {"chosen", "rejected"}            whole dialogues: HH-RLHF or messages
//   {"response_a", "response_b", …}   v1::Comparison as JSON, lossless
// One malformed line, and nothing of the file is written: it is not what its
// sender believes it to be. Lines that are well-formed but no preference (real
// data has some: the two sides answer different prompts) are left out and
// reported. A comparison without an id is named by a hash of its content, so
// that a file imported twice is stored once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "feedback/answer_desk.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct RefusedLine {
  int64_t line = 0;  // from 1
  std::string reason;
};

struct ParsedComparisons {
  std::vector<v1::Comparison> comparisons;
  std::vector<RefusedLine> refused;
};

struct ImportReport {
  int64_t num_accepted = 0;
  // Stored before.
  int64_t num_duplicates = 0;
  std::vector<RefusedLine> refused;
};

// Reads the lines of `text`, which is the contents of `name`.
//
// Errors: InvalidArgument that gives name:line of the malformed lines and what
// is wrong with each.
absl::StatusOr<ParsedComparisons> ParseComparisons(absl::string_view text,
                                                   absl::string_view name);

// Into a running service. Errors: as ParseComparisons and
// PreferenceStore::AppendAll.
absl::StatusOr<ImportReport> ImportText(AnswerDesk* desk,
                                        absl::string_view text,
                                        absl::string_view name);

// From a file into a store that no service holds.
// Errors: as ReadFile, ParseComparisons and PreferenceStore::AppendAll.
absl::StatusOr<ImportReport> ImportComparisons(PreferenceStore* store,
                                               const std::string& path);

enum class ExportFormat {
  // Every comparison, every field.
  kRlhf,
  // {"prompt": messages, "chosen": messages, "rejected": messages}. Only the
  // comparisons with a better side: TRL knows no tie and no strength.
  kTrl,
};

// Comparisons first_seq to last_seq of a log, from wherever it is.
using ComparisonReader =
    std::function<absl::StatusOr<std::vector<v1::Comparison>>(
        int64_t first_seq, int64_t last_seq)>;

// Writes the first `num_comparisons` of a log to `path`; returns the number of
// lines. Errors: of `read` and WriteFileAtomically.
absl::StatusOr<int64_t> ExportComparisons(int64_t num_comparisons,
                                          const ComparisonReader& read,
                                          const std::string& path,
                                          ExportFormat format);

}  // namespace rlhf
