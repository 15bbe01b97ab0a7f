// Comparisons into a store from files, and out of it as JSONL.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/answer_desk.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct ImportReport {
  int64_t num_accepted = 0;
  // Stored before.
  int64_t num_duplicates = 0;
  std::vector<RefusedLine> refused;
};

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
  // Every comparison that is not retracted, every field.
  kRlhf,
  // {"prompt": messages, "chosen": messages, "rejected": messages}. Only the
  // comparisons with a better side that are no answers to gold questions: TRL
  // knows no tie and no strength.
  kTrl,
};

// A comparison as one line of our own form, without a line break: every field,
// so that ParseComparisons gives it back as it is but for seq and commit time.
// Errors: Internal if a text is not UTF-8.
absl::StatusOr<std::string> ComparisonLine(const v1::Comparison& comparison);

// A comparison as `format` has it, with a line break; empty if the format
// leaves it out. Errors: as ComparisonLine.
absl::StatusOr<std::string> ExportLine(const v1::Comparison& comparison,
                                       ExportFormat format);

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
