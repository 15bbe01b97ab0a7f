// Reads records that Argilla exported.
//
// Accepted are the three shapes in which Argilla's Python SDK writes a record:
//   2.x  dataset.records.to_json(…) and to_list()
//        {"id", "fields": {NAME: text}, "metadata", "suggestions",
//         "responses": {QUESTION: [{"value", "user_id"}, …]}, "vectors", …}
//   2.x  to_list(flatten=True), and what to_datasets() writes as JSON
//        {"id", NAME: text, …, "QUESTION.responses": [value, …],
//         "QUESTION.responses.users": [id, …],
//         "QUESTION.responses.status": ["submitted", …]}
//   1.x  a FeedbackRecord as a dictionary
//        {"fields": {NAME: text}, "external_id", "metadata", "responses":
//         [{"user_id", "values": {QUESTION: {"value"}}, "status"}, …]}
// The first says nothing of a response's status: leave drafts out before it is
// exported. Suggestions are a model's and are never read.
//
// Fields: FindPromptName and FindAnswerNames (record_comparisons.h) say which
// is what. The prompt may be a chat field; a field "context" that is not empty
// follows the prompt after an empty line, as annotators saw both.
//
// What a person answered to a question:
//   RankingQuestion  2.x: names of answers, the best first; 1.x: [{"value":
//                    name, "rank": 1}, …], equal ranks being a tie
//   LabelQuestion, RatingQuestion, TextQuestion   what VerdictOfLabels reads,
//                    of two answers: the better one's name or, under a question
//                    whose name speaks of comparing, its number or "tie", …
// A ranking goes before labels. Of two answers each person gives one
// comparison, with the user's id as worker_id; a ranking of K answers gives K
// (K - 1) / 2. A tie or a better side; strength is 1.
#pragma once

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/comparisons/record_comparisons.h"

namespace rlhf {

// Reads a record for which IsArgillaRecord (argilla_responses.h) holds. Left
// out are a record that nobody judged, a response that was not submitted and
// one that compares nothing; a discarded one is SKIPPED.
//
// Errors: InvalidArgument if a member has the wrong type, there is no prompt,
// there are not 2 to 16 answers, or a comparing question holds what cannot be
// read.
absl::StatusOr<RecordComparisons> ReadArgillaRecord(const Json& record);

}  // namespace rlhf
