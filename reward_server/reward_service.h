// The Reward and RewardAdmin services.
#pragma once

#include "reward_server/cached_scores.h"
#include "reward_server/pm_slots.h"
#include "reward_server/request_batcher.h"
#include "reward_server/reward_metrics.h"
#include "reward_server/shadow_record.h"
#include "rlhf/v1/reward.grpc.pb.h"

namespace rlhf {

// Thread-safe. Callback API: no gRPC thread ever runs a model.
class RewardService final : public v1::Reward::CallbackService {
 public:
  // Pointers are not owned and must outlive the service.
  RewardService(PmSlots* slots, RequestBatcher* batcher, ScoreCache* cache,
                ShadowRecord* shadow, RewardMetrics* metrics)
      : slots_(slots),
        batcher_(batcher),
        cache_(cache),
        shadow_(shadow),
        metrics_(metrics) {}

  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const v1::ScoreRequest* request,
                                  v1::ScoreResponse* response) override;

 private:
  // A call on its way. Request, response and context live until `finish` is
  // called, once.
  struct Call {
    const grpc::CallbackServerContext* context;
    const v1::ScoreRequest* request;
    v1::ScoreResponse* response;
    std::function<void(const absl::Status&)> finish;
  };

  // Answers from what was scored before, or queues what was not.
  void Start(const Call& call);

  // Queues the dialogues whose scores `known` does not have.
  absl::Status Queue(const Call& call,
                     const std::shared_ptr<const LoadedPm>& pm,
                     std::vector<std::vector<int32_t>> missing,
                     KnownScores known);

  // Ends a call with scores.
  void Answer(const Call& call, const std::shared_ptr<const LoadedPm>& pm,
              const PmScores& scores);

  // Has the shadow, if there is one, score what the serving PM has scored. What
  // the shadow cannot read or the queue not take is passed over.
  void ScoreInShadow(const v1::ScoreRequest& request,
                     const std::vector<float>& serving_scores);

  // A canary that cannot score what the serving PM reads ends its trial: says
  // so in the status. An error that may pass, or that the caller made (such
  // as tokens of another tokenizer), says nothing against it.
  void JudgeCanary(const LoadedPm& pm, const v1::ScoreRequest& request,
                   const absl::Status& error);

  void ShowQueue() {
    metrics_->queue_items.Set(static_cast<double>(batcher_->num_waiting()));
  }

  PmSlots* const slots_;
  RequestBatcher* const batcher_;
  ScoreCache* const cache_;
  ShadowRecord* const shadow_;
  RewardMetrics* const metrics_;
};

class RewardAdminService final : public v1::RewardAdmin::Service {
 public:
  RewardAdminService(const PmSlots* slots, const ShadowRecord* shadow)
      : slots_(slots), shadow_(shadow) {}

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    *response = slots_->Status();
    if (response->has_shadow()) shadow_->Describe(*response->mutable_shadow());
    return grpc::Status::OK;
  }

 private:
  const PmSlots* const slots_;
  const ShadowRecord* const shadow_;
};

}  // namespace rlhf
