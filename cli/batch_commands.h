// Batches of comparisons into a run, people's decisions on them, and
// comparisons out of it: through the service that has the store open, or else
// in the store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/comparison_log.h"
#include "feedback/batch_desk.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback_import.grpc.pb.h"

namespace rlhf {

// Thread-compatible.
class BatchCommands {
 public:
  // Errors: as OpenPreferenceStore, BatchDeskOptions and RpcIdentity::Load, but
  // FailedPrecondition; NotFound if the run has no store and none is to be made
  // (`create`).
  static absl::StatusOr<std::unique_ptr<BatchCommands>> Open(
      const v1::RunConfig& config, bool create);

  // Errors of these: those of BatchDesk; Unavailable if the service does not
  // answer.

  // `name` is the file's, without its folders.
  absl::StatusOr<v1::BatchReport> Import(const std::string& text,
                                         const std::string& name, bool dry_run);
  absl::StatusOr<v1::BatchList> List(
      const v1::ListBatchesRequest& request) const;
  absl::StatusOr<v1::BatchReport> Get(const std::string& batch_id) const;
  absl::StatusOr<v1::BatchReport> Decide(const v1::DecideBatchRequest& request);
  absl::StatusOr<v1::RetractResponse> Retract(
      const v1::RetractRequest& request);

 private:
  explicit BatchCommands(const v1::RunConfig& config) : config_(config) {}
  absl::StatusOr<v1::BatchReport> Send(const std::string& text,
                                       const std::string& name, bool dry_run);
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(grpc::Status (v1::FeedbackImport::Stub::*method)(
                                   grpc::ClientContext*, const Request&,
                                   Response*),
                               const Request& request,
                               absl::Duration timeout) const;

  const v1::RunConfig config_;
  StoreContext context_;
  std::unique_ptr<PreferenceStore> store_;
  // One of the two.
  std::unique_ptr<BatchDesk> desk_;
  std::unique_ptr<v1::FeedbackImport::Stub> service_;
};

}  // namespace rlhf
