// Comparisons out of a log as JSONL. (Into it: batch_desk.h.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
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

// Writes the first `num_comparisons` of a log to `path`, which is not there
// before it is whole; returns the number of lines. A page of the log is in
// memory at a time. Errors: those of `read` and AtomicFile.
absl::StatusOr<int64_t> ExportComparisons(int64_t num_comparisons,
                                          const ComparisonReader& read,
                                          const std::string& path,
                                          ExportFormat format);

}  // namespace rlhf
