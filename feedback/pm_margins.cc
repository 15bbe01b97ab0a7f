#include "feedback/pm_margins.h"

#include <algorithm>
#include <memory>

#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/reward_client.h"

namespace rlhf {
namespace {

// Comparisons scored at once, so that rewards of the learner come in between.
constexpr size_t kAtOnce = 8;

// For a few: a webhook is told within 20 seconds or comes again.
constexpr absl::Duration kLeastTimeout = absl::Seconds(5);
constexpr absl::Duration kTimeoutForEach = absl::Milliseconds(300);

void AddDialogue(const v1::Prompt& prompt, const std::string& response,
                 std::vector<v1::ScoredDialogue>& dialogues) {
  v1::ScoredDialogue& dialogue = dialogues.emplace_back();
  *dialogue.mutable_prompt() = prompt.messages();
  dialogue.set_response(response);
}

absl::StatusOr<std::vector<double>> Ask(
    RewardClient& client, absl::Duration timeout,
    const std::vector<const v1::Comparison*>& comparisons) {
  RLHF_ASSIGN_OR_RETURN(const v1::RewardStatus status,
                        client.GetStatus(std::min(timeout, absl::Seconds(2))));
  if (status.serving().version() == 0) {
    return absl::UnavailableError("no PM serves yet");
  }
  // Who sends a few waits for the answer.
  timeout = std::min(
      timeout, kLeastTimeout +
                   static_cast<int64_t>(comparisons.size()) * kTimeoutForEach);
  const Stopwatch watch;
  std::vector<double> margins;
  for (size_t begin = 0; begin < comparisons.size(); begin += kAtOnce) {
    const size_t end = std::min(comparisons.size(), begin + kAtOnce);
    std::vector<v1::ScoredDialogue> dialogues;
    for (size_t i = begin; i < end; ++i) {
      AddDialogue(comparisons[i]->prompt(), comparisons[i]->response_a(),
                  dialogues);
      AddDialogue(comparisons[i]->prompt(), comparisons[i]->response_b(),
                  dialogues);
    }
    // The version that began: scores of two PMs cannot be compared.
    RLHF_ASSIGN_OR_RETURN(
        const ScoreResult result,
        client.Score(dialogues, status.serving().version(),
                     timeout - absl::Seconds(watch.seconds())));
    for (size_t i = 0; i + 1 < result.scores.size(); i += 2) {
      margins.push_back(result.scores[i] - result.scores[i + 1]);
    }
  }
  return margins;
}

}  // namespace

PmMargins MarginsOfServingPm(const std::string& address,
                             const RpcIdentity& self, absl::Duration timeout) {
  auto client = std::make_shared<RewardClient>(address, self);
  return [client, timeout](const std::vector<const v1::Comparison*>& all) {
    return Ask(*client, timeout, all);
  };
}

}  // namespace rlhf
