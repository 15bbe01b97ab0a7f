// Comparisons out of a log as JSONL. (Into it: batch_desk.h.)
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "feedback/comparison_pages.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

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

// A ComparisonLine of each, with line ends.
absl::StatusOr<std::string> ComparisonLines(
    const std::vector<v1::Comparison>& comparisons);

// Shows the lines of the first `num_comparisons` of a log to `take`; returns
// how many. A page of the log is in memory at a time. Errors: those of `read`
// and `take`.
absl::StatusOr<int64_t> ForEachExportLine(
    int64_t num_comparisons, const ComparisonReader& read, ExportFormat format,
    const std::function<absl::Status(absl::string_view line)>& take);

// The same into the file `path`, which is not there before it is whole.
// Errors: those of `read` and AtomicFile.
absl::StatusOr<int64_t> ExportComparisons(int64_t num_comparisons,
                                          const ComparisonReader& read,
                                          const std::string& path,
                                          ExportFormat format);

}  // namespace rlhf
