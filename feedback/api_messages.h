// The JSON of the feedback API: what clients send and get.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "feedback/answer_desk.h"

namespace rlhf {

// POST /api/task: {"worker_id"} -> the worker's id.
//
// Errors: InvalidArgument that names the field. So for ParseAnswer.
absl::StatusOr<std::string> ParseTaskRequest(absl::string_view body);

// POST /api/comparison:
//   task_id, comparison_id, worker_id   required
//   choice       "left_better", "right_better", "tie", "both_bad" or "skip"
//   strength     1 (slightly) to 3 (much), with a better side and only then
//   seconds      from the task shown to the answer, optional
//   skip_reason  with "skip" only, optional
//   source       "page" (default) or "crowd"
// Unknown members are refused.
absl::StatusOr<Answer> ParseAnswer(absl::string_view body);

// POST /api/continue: {"task_id", "worker_id", "chosen": "left" or "right",
// "message"}, all required.
absl::StatusOr<NextTurn> ParseNextTurn(absl::string_view body);

// {"task_id", "messages": [{"role", "content"}], "left", "right",
//  "lease_seconds"}. Says nothing of where the responses come from.
std::string TaskJson(const Task& task, absl::Duration lease);

}  // namespace rlhf
