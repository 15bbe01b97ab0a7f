// The JSON of the feedback API: what clients send and get.
#pragma once

#include <string>
#include <vector>

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
//   interface_version  of the page, at most 64 bytes, optional
//   comment      at most 2,000 characters, optional
//   flagged      true: somebody should look at it; optional
//   edited_response    the better response as the worker rewrote it, with a
//                better side of a helpful task only, at most 64 KiB, optional
// In a red-team task the better side is the more harmful one. Unknown members
// are refused.
absl::StatusOr<Answer> ParseAnswer(absl::string_view body);

// POST /api/continue: {"task_id", "worker_id", "chosen": "left" or "right",
// "message"}, all required, and "comparison_id", the answer's, by which it is
// found after a restart of the service.
absl::StatusOr<NextTurn> ParseNextTurn(absl::string_view body);

// {"task_id", "messages": [{"role", "content"}], "left", "right",
//  "lease_seconds"}. Says nothing of where the responses come from.
// POST /api/workers/pause: worker_id and paused (true or false) are required,
// by and reason, one line each (one_line.h) and at most 1,000 bytes together,
// are not.
struct PauseRequest {
  std::string worker_id;
  bool paused = false;
  std::string by;
  std::string reason;
};
absl::StatusOr<PauseRequest> ParsePauseRequest(absl::string_view body);

// {"task_id", "kind": "helpful" or "red_team", "messages": [{"role",
//  "content"}], "left", "right", "lease_seconds"}. Says nothing of where the
// responses come from, nor whether the right answer is known.
std::string TaskJson(const Task& task, absl::Duration lease);

// [{"worker_id", "answers", "extra_answers", "gold_answers", "gold_correct",
//   "verdict", "left_share", "left_share_low", "left_share_high",
//   "longer_share", "longer_share_low", "longer_share_high", "median_seconds",
//   "agreement", "paused", "paused_by", "paused_reason"}]
// Shares and agreement are 0 to 1 with a 95 % interval. What nothing is known
// of is null.
std::string WorkersJson(const std::vector<WorkerStatus>& workers);

// {"kappa", "alpha", "pairs", "copies": [{"copier", "source", "shared",
//  "equal", "explained", "p_value"}]}. kappa and alpha are null without pairs.
std::string AgreementJson(const AgreementView& agreement,
                          const std::vector<CopySuspicion>& copies);

}  // namespace rlhf
