// Reads tasks of Label Studio's JSON export (format "JSON", not "JSON_MIN"):
//   [{"id": 1, "data": {"prompt": text, "answer1": text, "answer2": text},
//     "annotations": [{"id": 7, "completed_by": 10, "was_cancelled": false,
//       "lead_time": 4.288, "result": [{"from_name", "to_name", "type",
//       "value"}, …]}, …], "predictions": […], …}, …]
// Every annotation is one comparison: worker_id is "label-studio:" and the id
// in "completed_by" (a number, or an object with "id"), worker_seconds is
// "lead_time". Predictions and drafts are never read.
//
// Data: FindPromptName and FindAnswerNames (record_comparisons.h) say which is
// what; the prompt may be a list of {"role", "content"}.
//
// Of an annotation's results the first kind that is there decides:
//   pairwise  {"selected": "left" or "right"}, by the template "Human
//             Preference collection for RLHF". Left is the first answer: the
//             first of "to_name" if that holds two names of data members with
//             a comma between, else the one with the lower number. (Today's
//             editor writes the Pairwise tag's own name there, so a tag whose
//             toName names the second answer first cannot be told.)
//   choices   {"choices": [text]}, read by VerdictOfLabels with "from_name" as
//             the question: the name of the better answer or, if from_name
//             speaks of comparing, "1", "a", "tie", "both_bad", …
//   rating    {"rating": stars} for each of the two answers, named by
//             "to_name": more is better, by 1, 2, or 3 and more stars with
//             strength 1, 2, 3; the same number is a tie
// A Pairwise without a selection leaves no result, so it cannot be told from a
// tie and is left out. "was_cancelled", the editor's "Skip", is SKIPPED.
#pragma once

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/comparisons/record_comparisons.h"

namespace rlhf {

// Whether `json` has the members "data" and "annotations".
bool IsLabelStudioTask(const Json& json);

// A task without annotations, and annotations that compare nothing, are left
// out.
//
// Errors: InvalidArgument if a member has the wrong type, there is no prompt,
// which two answers are compared is unclear, "selected" or a comparing choice
// cannot be read, or several results compare.
absl::StatusOr<RecordComparisons> ReadLabelStudioTask(const Json& task);

}  // namespace rlhf
