// A log of comparisons, page by page, from wherever it is.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Comparisons first_seq to last_seq of a log.
using ComparisonReader =
    std::function<absl::StatusOr<std::vector<v1::Comparison>>(
        int64_t first_seq, int64_t last_seq)>;

// Rows that are in memory at once where a log is read as a whole. Prompts and
// answers may be long: a page of the longest that the page takes is some MiB.
inline constexpr int64_t kComparisonsAtOnce = 250;

// Shows comparisons first_seq to last_seq of a log to `take`, in order; no more
// than kComparisonsAtOnce of them are in memory. Ends at the first error.
// Errors: those of `read` and `take`.
absl::Status ForEachComparison(
    int64_t first_seq, int64_t last_seq, const ComparisonReader& read,
    const std::function<absl::Status(const v1::Comparison&)>& take);

}  // namespace rlhf
