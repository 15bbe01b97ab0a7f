// Bodies of the workers' JSON API: feedback/api_messages.h.
#include "core/base/check.h"
#include "core/base/json.h"
#include "core/comparisons/check_comparison.h"
#include "feedback/api_messages.h"
#include "feedback/api_responses.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

template <typename T>
bool IsTaken(const absl::StatusOr<T>& message) {
  CheckExplained(message.status(), {absl::StatusCode::kInvalidArgument});
  if (message.ok()) return true;
  // What is told to whoever sent it.
  RLHF_CHECK(ParseJson(ErrorResponse(message.status()).body).ok())
      << message.status();
  return false;
}

RLHF_FUZZ_TARGET(api_messages) {
  IsTaken(ParseTaskRequest(input));
  IsTaken(ParsePauseRequest(input));
  IsTaken(ParseNextTurn(input));
  const auto answer = ParseAnswer(input);
  if (!IsTaken(answer)) return;
  const bool is_decided = answer->choice == ShownChoice::kLeftBetter ||
                          answer->choice == ShownChoice::kRightBetter;
  RLHF_CHECK(is_decided ? answer->strength >= 1 && answer->strength <= 3
                        : answer->strength == 0);
  RLHF_CHECK(answer->worker_seconds >= 0 &&
             answer->worker_seconds <= kMaxWorkerSeconds);
  for (const std::string* id :
       {&answer->task_id, &answer->comparison_id, &answer->worker_id}) {
    RLHF_CHECK(!id->empty() && id->size() <= kMaxIdBytes);
  }
}

}  // namespace
}  // namespace rlhf
