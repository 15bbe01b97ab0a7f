// Comparisons in the CSV files that crowd platforms give out.
//
// The first record names the columns, in any order; of a name, case, spaces,
// "_", "-" and "." do not matter, nor do the prefixes of Mechanical Turk,
// "Input." and "Answer.". Columns that are not listed are ignored.
//   what        column                                      must be there
//   prompt      as in FindPromptName: prompt, instruction, …     yes
//   responses   as in FindAnswerNames: response_a, response_b    yes, two
//   choice      choice, preference                               yes
//   worker      the first of kWorkerWords: WorkerId, …           no
//   seconds     WorkTimeInSeconds, time_taken, worker_seconds    no
//   record      AssignmentId, submission_id                      no
//   status      AssignmentStatus, status                         no
// The choice is read by VerdictOfLabels: the name of the better response's
// column, its number, or a word of ParseVerdict, with A and B being the
// responses with the lower and the higher number. "Answer.prompt" is what a
// worker wrote and no prompt; "Input.choice" is no choice.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/comparisons/record_comparisons.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Which columns hold what.
struct ComparisonColumns {
  size_t num_columns = 0;
  size_t prompt = 0;
  // Without prefixes.
  AnswerName a, b;
  size_t response_a = 0;
  size_t response_b = 0;
  size_t choice = 0;
  std::optional<size_t> worker, seconds, record, status;
};

// Errors: InvalidArgument that names the column that is missing or there twice,
// and the ones found.
absl::StatusOr<ComparisonColumns> FindComparisonColumns(
    const std::vector<std::string>& header);

// Errors:
//   InvalidArgument     not as many fields as columns, an unknown choice, or
//                       seconds that are none
//   FailedPrecondition  well-formed, but no preference: the choice is empty,
//   the
//                       responses are the same, or the status is rejected,
//                       returned or timed-out
absl::StatusOr<v1::Comparison> ReadCsvComparison(
    const ComparisonColumns& columns, const std::vector<std::string>& fields);

}  // namespace rlhf
