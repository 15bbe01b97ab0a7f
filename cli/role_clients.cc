#include "cli/role_clients.h"

#include <map>
#include <utility>

#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/health.h"

namespace rlhf {
namespace {

// Calls a unary method of a generated stub.
template <typename Response, typename Stub, typename Request>
absl::StatusOr<Response> Ask(Stub* stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                          const Request&,
                                                          Response*),
                             absl::Duration timeout) {
  const auto context = ContextWithDeadline(timeout);
  Response response;
  const grpc::Status status =
      (stub->*method)(context.get(), Request(), &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

}  // namespace

RoleClients::RoleClients(const v1::RunConfig& config, const RpcIdentity& self,
                         absl::Duration timeout)
    : timeout_(timeout),
      actor_(MakeChannel(config.actor().address(), self, "actor")),
      learner_(v1::Control::NewStub(
          MakeChannel(config.learner().address(), self, "learner"))),
      refresher_(v1::Refresh::NewStub(
          MakeChannel(config.preference().address(), self, "refresher"))),
      reward_server_(std::make_unique<RewardClient>(
          config.reward_server().address(), self)),
      feedback_(v1::Feedback::NewStub(
          MakeChannel(config.feedback().address(), self, "feedback"))),
      store_(v1::Store::NewStub(
          MakeChannel(config.feedback().address(), self, "feedback"))) {}

absl::StatusOr<v1::LearnerStatus> RoleClients::Learner() const {
  return Ask(learner_.get(), &v1::Control::Stub::GetStatus, timeout_);
}

absl::StatusOr<v1::RefreshStatus> RoleClients::Refresher() const {
  return Ask(refresher_.get(), &v1::Refresh::Stub::GetStatus, timeout_);
}

absl::StatusOr<v1::RewardStatus> RoleClients::RewardServer() const {
  return reward_server_->GetStatus(timeout_);
}

absl::StatusOr<v1::FeedbackStats> RoleClients::Feedback() const {
  return Ask(feedback_.get(), &v1::Feedback::Stub::GetStats, timeout_);
}

absl::StatusOr<bool> RoleClients::ActorServes() const {
  return IsServing(actor_, timeout_);
}

absl::Status RoleClients::ForEachComparison(
    int64_t first_seq, int64_t last_seq,
    const std::function<void(v1::Comparison)>& take) const {
  const auto context = ContextWithDeadline(timeout_);
  v1::ReadComparisonsRequest request;
  request.set_first_seq(first_seq);
  request.set_last_seq(last_seq);
  const auto reader = feedback_->ReadComparisons(context.get(), request);
  for (v1::Comparison comparison; reader->Read(&comparison);) {
    take(std::move(comparison));
  }
  return FromGrpcStatus(reader->Finish());
}

absl::StatusOr<std::vector<v1::Comparison>> RoleClients::Comparisons(
    int64_t first_seq, int64_t last_seq) const {
  std::vector<v1::Comparison> comparisons;
  RLHF_RETURN_IF_ERROR(
      ForEachComparison(first_seq, last_seq, [&](v1::Comparison comparison) {
        comparisons.push_back(std::move(comparison));
      }));
  return comparisons;
}

absl::StatusOr<std::vector<v1::Retraction>> RoleClients::Retractions() const {
  const auto context = ContextWithDeadline(timeout_);
  const auto reader = store_->ListRetractions(context.get(), {});
  std::vector<v1::Retraction> retractions;
  for (v1::Retraction retraction; reader->Read(&retraction);) {
    retractions.push_back(std::move(retraction));
  }
  RLHF_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
  return retractions;
}

absl::StatusOr<std::vector<v1::WorkerReport>> RoleClients::CountByWorker(
    int64_t num_comparisons) const {
  std::map<std::string, int64_t> counts;
  RLHF_RETURN_IF_ERROR(ForEachComparison(
      1, num_comparisons, [&](const v1::Comparison& comparison) {
        // Of a retracted one the worker is gone.
        if (comparison.choice() == v1::RETRACTED) return;
        ++counts[comparison.worker_id()];
      }));
  std::vector<v1::WorkerReport> workers;
  for (const auto& [worker_id, count] : counts) {
    v1::WorkerReport& worker = workers.emplace_back();
    worker.set_worker_id(worker_id);
    worker.set_num_comparisons(count);
  }
  return workers;
}

}  // namespace rlhf
