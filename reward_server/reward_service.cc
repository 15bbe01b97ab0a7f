#include "reward_server/reward_service.h"

#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"

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

}  // namespace

void RewardService::Start(const grpc::CallbackServerContext& context,
                          const v1::ScoreRequest& request,
                          v1::ScoreResponse& response,
                          std::function<void(const absl::Status&)> finish) {
  const auto pm = slots_->Get(request.pm_version());
  if (!pm.ok()) return finish(pm.status());
  auto sequences = EncodeAll(**pm, request);
  if (!sequences.ok()) return finish(sequences.status());
  const absl::Status queued = batcher_->Add(
      {.pm = *pm,
       .sequences = *std::move(sequences),
       .done =
           [this, &response, pm = *pm,
            finish](absl::StatusOr<std::vector<float>> scores) {
             if (!scores.ok()) return finish(scores.status());
             response.mutable_scores()->Add(scores->begin(), scores->end());
             *response.mutable_pm() = pm->version;
             metrics_->scored.Increment(static_cast<double>(scores->size()));
             finish(absl::OkStatus());
           },
       .is_cancelled = [&context] { return context.IsCancelled(); }});
  ShowQueue();
  if (!queued.ok()) finish(queued);
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
