#include "core/rpc/reward_client.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

bool AllFinite(const google::protobuf::RepeatedField<float>& scores) {
  return std::all_of(scores.begin(), scores.end(),
                     [](float score) { return std::isfinite(score); });
}

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
  if (!AllFinite(response.scores())) {
    return absl::InternalError(
        "the reward server sent a score that is not finite");
  }
  for (const v1::MemberScores& member : response.members()) {
    if (static_cast<size_t>(member.scores_size()) != num_dialogues ||
        !AllFinite(member.scores())) {
      return absl::InternalError(absl::StrCat(
          "the reward server sent no finite score for each dialogue from PM "
          "member \"",
          member.member(), "\""));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void ScoreResult::Fill(size_t index, v1::Rollout& rollout) const {
  rollout.set_reward(scores[index]);
  *rollout.mutable_pm() = pm;
  rollout.clear_member_scores();
  for (const v1::MemberScores& member : members) {
    v1::MemberScore& score = *rollout.add_member_scores();
    score.set_member(member.member());
    score.set_score(member.scores(static_cast<int>(index)));
  }
}

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
  const absl::Time deadline = MonotonicNow() + timeout;
  const auto attempt = [&]() -> absl::StatusOr<ScoreResult> {
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(deadline - MonotonicNow());
    const std::stop_callback cancel(stop, [&context] { context->TryCancel(); });
    RLHF_RETURN_IF_ERROR(
        FromGrpcStatus(reward_->Score(context.get(), request, &response)));
    RLHF_RETURN_IF_ERROR(Verify(response, dialogues.size(), pm_version));
    return ScoreResult{
        .scores = {response.scores().begin(), response.scores().end()},
        .pm = response.pm(),
        .members = {response.members().begin(), response.members().end()}};
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
