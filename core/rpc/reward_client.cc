#include "core/rpc/reward_client.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

absl::Status Verify(const v1::ScoreResponse& response, size_t num_dialogues,
                    int64_t pm_version) {
  if (static_cast<size_t>(response.scores_size()) != num_dialogues) {
    return absl::InternalError(
        absl::StrCat("the reward server sent ", response.scores_size(),
                     " scores for ", num_dialogues, " dialogues"));
  }
  if (response.pm().version() < 1 || response.pm().digest().empty()) {
    return absl::InternalError("the reward server did not say which PM scored");
  }
  if (pm_version != 0 && response.pm().version() != pm_version) {
    return absl::InternalError(absl::StrCat(
        "the reward server scored with PM version ", response.pm().version(),
        "; asked for version ", pm_version));
  }
  for (const float score : response.scores()) {
    if (!std::isfinite(score)) {
      return absl::InternalError(
          "the reward server sent a score that is not finite");
    }
  }
  return absl::OkStatus();
}

}  // namespace

RewardClient::RewardClient(const std::string& address)
    : reward_(v1::Reward::NewStub(MakeChannel(address))),
      admin_(v1::RewardAdmin::NewStub(MakeChannel(address))) {}

absl::StatusOr<ScoreResult> RewardClient::Score(
    const std::vector<v1::ScoredDialogue>& dialogues, int64_t pm_version,
    absl::Duration timeout, const std::stop_token& stop) {
  v1::ScoreRequest request;
  request.set_pm_version(pm_version);
  for (const v1::ScoredDialogue& dialogue : dialogues) {
    *request.add_dialogues() = dialogue;
  }
  const absl::Time deadline = absl::Now() + timeout;
  const auto attempt = [&]() -> absl::StatusOr<ScoreResult> {
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(deadline - absl::Now());
    const std::stop_callback cancel(stop, [&context] { context->TryCancel(); });
    RLHF_RETURN_IF_ERROR(
        FromGrpcStatus(reward_->Score(context.get(), request, &response)));
    RLHF_RETURN_IF_ERROR(Verify(response, dialogues.size(), pm_version));
    return ScoreResult{
        .scores = {response.scores().begin(), response.scores().end()},
        .pm = response.pm()};
  };
  return RetryTransient(timeout, attempt);
}

absl::StatusOr<v1::RewardStatus> RewardClient::GetStatus(
    absl::Duration timeout) {
  v1::RewardStatus response;
  const auto context = ContextWithDeadline(timeout);
  RLHF_RETURN_IF_ERROR(
      FromGrpcStatus(admin_->GetStatus(context.get(), {}, &response)));
  return response;
}

}  // namespace rlhf
