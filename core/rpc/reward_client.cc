#include "core/rpc/reward_client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

bool AllFinite(const google::protobuf::RepeatedField<float>& scores) {
  return std::all_of(scores.begin(), scores.end(),
                     [](float score) { return std::isfinite(score); });
}

absl::Status Verify(const v1::ScoreResponse& response, int num_dialogues,
                    int64_t pm_version) {
  if (response.scores_size() != num_dialogues) {
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
    if (member.scores_size() != num_dialogues || !AllFinite(member.scores())) {
      return absl::InternalError(absl::StrCat(
          "the reward server sent no finite score for each dialogue from PM "
          "member \"",
          member.member(), "\""));
    }
  }
  return absl::OkStatus();
}

// One call.
absl::StatusOr<ScoreResult> Ask(v1::Reward::Stub& reward,
                                const v1::ScoreRequest& request,
                                absl::Duration timeout,
                                const std::stop_token& stop) {
  v1::ScoreResponse response;
  const auto context = ContextWithDeadline(timeout);
  const std::stop_callback cancel(stop, [&context] { context->TryCancel(); });
  const absl::Status status =
      FromGrpcStatus(reward.Score(context.get(), request, &response), *context);
  // A server that ends may cut a call off so.
  if (absl::IsCancelled(status) && !stop.stop_requested()) {
    return absl::UnavailableError("the reward server gave the call up");
  }
  RLHF_RETURN_IF_ERROR(status);
  RLHF_RETURN_IF_ERROR(
      Verify(response, request.dialogues_size(), request.pm_version()));
  return ScoreResult{
      .scores = {response.scores().begin(), response.scores().end()},
      .pm = response.pm(),
      .members = {response.members().begin(), response.members().end()}};
}

std::vector<std::string> Split(const std::string& addresses, bool has_tls) {
  auto result = SplitAddresses(addresses, has_tls);
  RLHF_CHECK(result.ok()) << result.status();
  return *std::move(result);
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

RewardClient::RewardClient(const std::string& addresses,
                           const RpcIdentity& self)
    : turns_(Split(addresses, self.has_tls()).size()) {
  for (const std::string& address : Split(addresses, self.has_tls())) {
    const auto channel = MakeChannel(address, self, "reward-server");
    replicas_.push_back({.reward = v1::Reward::NewStub(channel),
                         .admin = v1::RewardAdmin::NewStub(channel)});
  }
}

absl::StatusOr<ScoreResult> RewardClient::AskInTurn(
    const v1::ScoreRequest& request, absl::Time deadline,
    const std::stop_token& stop) {
  std::vector<size_t> order;
  {
    MutexLock lock(&mutex_);
    order = turns_.Next(MonotonicNow());
  }
  absl::Status failure;
  for (size_t i = 0; i < order.size(); ++i) {
    const absl::Time now = MonotonicNow();
    const absl::Duration share =
        (deadline - now) / static_cast<int64_t>(order.size() - i);
    absl::StatusOr<ScoreResult> result =
        Ask(*replicas_[order[i]].reward, request, share, stop);
    {
      MutexLock lock(&mutex_);
      turns_.Note(order[i], result.status(), MonotonicNow());
    }
    if (result.ok() || !AnotherMayScore(result.status()) ||
        stop.stop_requested()) {
      return result;
    }
    failure = MoreTelling(failure, result.status());
  }
  return failure;
}

absl::StatusOr<ScoreResult> RewardClient::Score(
    const std::vector<v1::ScoredDialogue>& dialogues, int64_t pm_version,
    absl::Duration timeout, const std::stop_token& stop) {
  v1::ScoreRequest request;
  request.set_pm_version(pm_version);
  for (const v1::ScoredDialogue& dialogue : dialogues) {
    *request.add_dialogues() = dialogue;
  }
  const absl::Time deadline = MonotonicNow() + timeout;
  return RetryTransient(timeout,
                        [&] { return AskInTurn(request, deadline, stop); });
}

absl::StatusOr<v1::RewardStatus> RewardClient::GetStatus(
    absl::Duration timeout) {
  std::vector<v1::RewardStatus> answers;
  absl::Status failure;
  for (const Replica& replica : replicas_) {
    v1::RewardStatus answer;
    const auto context =
        ContextWithDeadline(timeout / static_cast<int64_t>(replicas_.size()));
    const absl::Status status =
        FromGrpcStatus(replica.admin->GetStatus(context.get(), {}, &answer));
    failure.Update(status);
    if (status.ok()) answers.push_back(std::move(answer));
  }
  if (answers.empty()) return failure;
  return MergeStatuses(answers);
}

}  // namespace rlhf
