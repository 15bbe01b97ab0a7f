// Short questions to running roles, at the addresses of a configuration.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/rpc/reward_client.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "rlhf/v1/feedback.grpc.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/store.grpc.pb.h"

namespace rlhf {

// Every call ends after `timeout`. Errors: the role's own; Unavailable or
// DeadlineExceeded if it does not answer. Thread-safe.
class RoleClients {
 public:
  // `self` is an operator's.
  RoleClients(const v1::RunConfig& config, const RpcIdentity& self,
              absl::Duration timeout);

  absl::StatusOr<v1::LearnerStatus> Learner() const;
  absl::StatusOr<v1::RefreshStatus> Refresher() const;
  absl::StatusOr<v1::RewardStatus> RewardServer() const;
  absl::StatusOr<v1::FeedbackStats> Feedback() const;

  // Whether the actor's health service says that it generates.
  absl::StatusOr<bool> ActorServes() const;

  // Comparisons first_seq to last_seq of the log.
  absl::StatusOr<std::vector<v1::Comparison>> Comparisons(
      int64_t first_seq, int64_t last_seq) const;

  // Every retraction, in order.
  absl::StatusOr<std::vector<v1::Retraction>> Retractions() const;

  // Comparisons per worker over the log's first `num_comparisons`, without
  // those that were retracted.
  absl::StatusOr<std::vector<v1::WorkerReport>> CountByWorker(
      int64_t num_comparisons) const;

 private:
  absl::Status ForEachComparison(
      int64_t first_seq, int64_t last_seq,
      const std::function<void(v1::Comparison)>& take) const;

  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> actor_;
  const std::unique_ptr<v1::Control::Stub> learner_;
  const std::unique_ptr<v1::Refresh::Stub> refresher_;
  const std::unique_ptr<RewardClient> reward_server_;
  const std::unique_ptr<v1::Feedback::Stub> feedback_;
  const std::unique_ptr<v1::Store::Stub> store_;
};

}  // namespace rlhf
