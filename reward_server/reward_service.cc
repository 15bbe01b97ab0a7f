#include "reward_server/reward_service.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

absl::StatusOr<std::vector<std::vector<int32_t>>> EncodeAll(
    const LoadedPm& pm, const v1::ScoreRequest& request) {
  if (request.dialogues().empty()) {
    return absl::InvalidArgumentError("dialogues: no dialogue to score");
  }
  std::vector<std::vector<int32_t>> sequences;
  for (int i = 0; i < request.dialogues_size(); ++i) {
    absl::StatusOr<std::vector<int32_t>> ids = pm.Encode(request.dialogues(i));
    if (!ids.ok()) {
      return WithContext(ids.status(), absl::StrCat("dialogues[", i, "]"));
    }
    sequences.push_back(*std::move(ids));
  }
  return sequences;
}

void Answer(const LoadedPm& pm, const PmScores& scores,
            v1::ScoreResponse& response) {
  response.mutable_scores()->Add(scores.combined.begin(),
                                 scores.combined.end());
  *response.mutable_pm() = pm.version;
  for (size_t m = 0; m < scores.by_member.size(); ++m) {
    v1::MemberScores& member = *response.add_members();
    member.set_member(pm.members.members[m].name);
    member.mutable_scores()->Add(scores.by_member[m].begin(),
                                 scores.by_member[m].end());
  }
}

}  // namespace

void RewardService::Start(const grpc::CallbackServerContext& context,
                          const v1::ScoreRequest& request,
                          v1::ScoreResponse& response,
                          std::function<void(const absl::Status&)> finish) {
  const auto pm = slots_->Get(request.pm_version());
  if (!pm.ok()) return finish(pm.status());
  auto sequences = EncodeAll(**pm, request);
  if (!sequences.ok()) {
    JudgeCanary(**pm, request, sequences.status());
    return finish(sequences.status());
  }
  const absl::Status queued = batcher_->Add(
      {.pm = *pm,
       .sequences = *std::move(sequences),
       .done =
           [this, &request, &response, pm = *pm,
            finish](const absl::StatusOr<PmScores>& scores) {
             if (!scores.ok()) {
               JudgeCanary(*pm, request, scores.status());
               return finish(scores.status());
             }
             Answer(*pm, *scores, response);
             metrics_->scored.Increment(
                 static_cast<double>(scores->combined.size()));
             if (pm == slots_->serving()) {
               ScoreInShadow(request, scores->combined);
             }
             finish(absl::OkStatus());
           },
       .is_cancelled = [&context] { return context.IsCancelled(); }});
  ShowQueue();
  if (!queued.ok()) finish(queued);
}

void RewardService::JudgeCanary(const LoadedPm& pm,
                                const v1::ScoreRequest& request,
                                const absl::Status& error) {
  const auto serving = slots_->serving();
  if (slots_->canary().get() != &pm || absl::IsCancelled(error) ||
      IsTransient(error) || !EncodeAll(*serving, request).ok()) {
    return;
  }
  if (slots_->NoteCanaryError(pm, std::string(error.message()))) {
    RLHF_LOG(ERROR) << "PM version " << pm.version.version()
                    << ", on trial as canary, cannot score: " << error;
  }
}

void RewardService::ScoreInShadow(const v1::ScoreRequest& request,
                                  const std::vector<float>& serving_scores) {
  const std::shared_ptr<const LoadedPm> pm = slots_->shadow();
  if (pm == nullptr) return;
  auto sequences = EncodeAll(*pm, request);
  if (!sequences.ok()) return;
  batcher_
      ->Add({.pm = pm,
             .sequences = *std::move(sequences),
             .done =
                 [this, serving_scores, version = pm->version.version()](
                     const absl::StatusOr<PmScores>& scores) {
                   if (!scores.ok()) return;
                   std::vector<ShadowScore> both;
                   for (size_t i = 0; i < serving_scores.size(); ++i) {
                     both.push_back({serving_scores[i], scores->combined[i]});
                   }
                   shadow_->Add(version, both);
                 },
             .is_cancelled = [this, pm] { return slots_->shadow() != pm; },
             .background = true})
      .IgnoreError();
}

grpc::ServerUnaryReactor* RewardService::Score(
    grpc::CallbackServerContext* context, const v1::ScoreRequest* request,
    v1::ScoreResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  Start(*context, *request, *response,
        [this, reactor, stopwatch = Stopwatch()](const absl::Status& status) {
          metrics_->requests.Of(status.code()).Increment();
          metrics_->latency_seconds.Observe(stopwatch.seconds());
          ShowQueue();
          reactor->Finish(ToGrpcStatus(status));
        });
  return reactor;
}

}  // namespace rlhf
