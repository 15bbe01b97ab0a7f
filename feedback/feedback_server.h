// The feedback process: preference store, tasks, page, JSON API and gRPC.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/rpc_identity.h"
#include "core/telemetry/http_server.h"
#include "feedback/access/access_control.h"
#include "feedback/answer_desk.h"
#include "feedback/batch_api.h"
#include "feedback/batch_desk.h"
#include "feedback/feedback_metrics.h"
#include "feedback/feedback_service.h"
#include "feedback/http_api.h"
#include "feedback/import_service.h"
#include "feedback/open_store.h"
#include "feedback/preference_store.h"
#include "feedback/requester_api.h"
#include "feedback/store_service.h"
#include "feedback/task_source.h"
#include "prometheus/registry.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Serves until RequestShutdown or a signal, then finishes what was begun.
//
// Errors: as FeedbackServer::Start, and as reading the prompts.
absl::Status RunFeedback(const v1::RunConfig& config);

// Serves from Start until it is destroyed.
class FeedbackServer {
 public:
  // Tasks are made of `prompts` (not empty).
  //
  // Errors: as RpcIdentity::Load, OpenPreferenceStore, AccessControl::Open,
  // WorkerBook::Open, BatchDeskOptions, ReadWebhookSecret, ReadPromptPosition,
  // ReadPast, GrpcServer::Start and HttpServer::Start; those of a field name
  // it.
  static absl::StatusOr<std::unique_ptr<FeedbackServer>> Start(
      const v1::RunConfig& config, std::vector<v1::Prompt> prompts);
  ~FeedbackServer();

  // Has the health service say whether answers can be saved now. Waits for the
  // database as they do.
  void UpdateHealth();

  int http_port() const { return http_->port(); }
  int grpc_port() const { return grpc_->port(); }
  const HttpApi& api() const { return *api_; }

 private:
  FeedbackServer() = default;
  absl::Status OpenStore(const v1::RunConfig& config);
  absl::Status OpenBatches(const v1::RunConfig& config);
  absl::Status StartGrpc(const v1::RunConfig& config);
  absl::Status StartHttp(const v1::RunConfig& config);
  absl::Status StartTasks(const v1::RunConfig& config,
                          std::vector<v1::Prompt> prompts);

  // In the order of construction: each uses the ones above it.
  const RealClock clock_{};
  RpcIdentity self_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<AnswerDesk> desk_;
  std::unique_ptr<RequesterApi> requester_;
  std::unique_ptr<BatchDesk> batches_;
  std::unique_ptr<BatchApi> batch_api_;
  std::unique_ptr<AccessControl> access_;
  std::unique_ptr<FeedbackService> service_;
  std::unique_ptr<ImportService> import_service_;
  std::unique_ptr<StoreService> store_service_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<TaskSource> source_;
  // Whether the last UpdateHealth found that answers can be saved.
  bool saves_ = true;
};

}  // namespace rlhf
