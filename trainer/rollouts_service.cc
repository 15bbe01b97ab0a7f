#include "trainer/rollouts_service.h"

#include <algorithm>
#include <set>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

// How long an actor waits here for a batch to open, and how soon it asks again
// if none did, or none that its policy may sample. Short, as it holds a thread
// of the server.
constexpr absl::Duration kWaitForBatch = absl::Milliseconds(50);
constexpr int64_t kRetryAfterMs = 10;
// Actors come and go; a prompt that has outlived so many of them needs a
// person.
constexpr int kManyAttempts = 5;

}  // namespace

RolloutsService::RolloutsService(const RolloutBroker::Options& options,
                                 const PromptSchedule* schedule,
                                 LearnerMetrics* metrics, RolloutTraces* traces)
    : metrics_(metrics), traces_(traces), broker_(options, schedule) {}

void RolloutsService::OpenBatch(const v1::BatchHeader& header,
                                RolloutJournal journal,
                                const std::vector<v1::Rollout>& accepted) {
  MutexLock lock(&mutex_);
  broker_.OpenBatch(header.update(), header.pm());
  journals_.erase(header.update());
  journals_.emplace(header.update(), std::move(journal));
  for (const v1::Rollout& rollout : accepted) broker_.Commit(rollout);
  ++num_opened_;
  changed_.SignalAll();
}

bool RolloutsService::is_open(int64_t update) const {
  MutexLock lock(&mutex_);
  return broker_.open(update);
}

bool RolloutsService::WaitComplete(int64_t update, absl::Duration timeout) {
  MutexLock lock(&mutex_);
  const absl::Time deadline = MonotonicNow() + timeout;
  while (!broker_.complete(update)) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mutex_, left);
  }
  return true;
}

std::vector<v1::Rollout> RolloutsService::TakeBatch(int64_t update) {
  MutexLock lock(&mutex_);
  Close(update);
  return broker_.Batch(update);
}

std::vector<v1::Rollout> RolloutsService::AbandonBatch(int64_t update) {
  MutexLock lock(&mutex_);
  Close(update);
  return broker_.Accepted(update);
}

void RolloutsService::Close(int64_t update) {
  broker_.CloseBatch(update);
  journals_.erase(update);
}

int64_t RolloutsService::num_accepted(int64_t update) const {
  MutexLock lock(&mutex_);
  return broker_.num_accepted(update);
}

bool RolloutsService::complete(int64_t update) const {
  MutexLock lock(&mutex_);
  return broker_.complete(update);
}

void RolloutsService::Finish() {
  MutexLock lock(&mutex_);
  finished_ = true;
  changed_.SignalAll();
}

grpc::Status RolloutsService::LeasePrompts(
    grpc::ServerContext* context, const v1::LeasePromptsRequest* request,
    v1::LeasePromptsResponse* response) {
  if (request->max_leases() < 1) {
    return ToGrpcStatus(
        absl::InvalidArgumentError("max_leases: wanted at least 1"));
  }
  MutexLock lock(&mutex_);
  // The lock may have been held for long, while a journal was written. There is
  // no context in a call that does not come by gRPC.
  if (context != nullptr && context->IsCancelled()) {
    return grpc::Status::CANCELLED;
  }
  const auto lease = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return broker_.Lease(request->max_leases(), request->policy_version(),
                         MonotonicNow());
  };
  std::vector<v1::PromptLease> leases = lease();
  if (leases.empty() && WaitForOpening(kWaitForBatch)) leases = lease();
  for (v1::PromptLease& lease : leases) {
    if (lease.attempt() >= kManyAttempts) {
      RLHF_LOG(WARNING) << "rollout " << lease.rollout_id() << " of prompt "
                        << lease.prompt().prompt_id() << " is leased for the "
                        << lease.attempt()
                        << "th time; the actors' logs say why it never comes";
    }
    if (traces_ != nullptr) traces_->Leased(request->actor_id(), lease);
    *response->add_leases() = std::move(lease);
  }
  response->set_retry_after_ms(kRetryAfterMs);
  response->set_finished(finished_);
  metrics_->leases_active.Set(
      static_cast<double>(broker_.num_leased(MonotonicNow())));
  return grpc::Status::OK;
}

bool RolloutsService::WaitForOpening(absl::Duration timeout) {
  const absl::Time deadline = MonotonicNow() + timeout;
  const int64_t before = num_opened_;
  while (num_opened_ == before && !finished_) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mutex_, left);
  }
  return !finished_;
}

grpc::Status RolloutsService::SubmitRollouts(
    grpc::ServerContext*, const v1::SubmitRolloutsRequest* request,
    v1::SubmitRolloutsResponse* response) {
  const absl::Time received = MonotonicNow();
  MutexLock lock(&mutex_);
  const absl::Status status = Store(*request, *response);
  if (!status.ok()) {
    RLHF_LOG(ERROR) << "rollouts could not be stored: " << status;
    return ToGrpcStatus(status);
  }
  for (int i = 0; i < response->acks_size(); ++i) {
    const v1::RolloutAck& ack = response->acks(i);
    metrics_->CountRollout(ack.status());
    if (traces_ != nullptr) {
      traces_->Admitted(request->rollouts(i), ack, received);
    }
    if (ack.status() == v1::RolloutAck::REFUSED) {
      RLHF_LOG(WARNING) << "rollout " << ack.rollout_id()
                        << " refused: " << ack.message();
    }
  }
  changed_.SignalAll();
  return grpc::Status::OK;
}

absl::Status RolloutsService::Store(const v1::SubmitRolloutsRequest& request,
                                    v1::SubmitRolloutsResponse& response) {
  std::map<int64_t, std::vector<v1::Rollout>> accepted;  // by update
  std::set<std::string> ids;
  for (const v1::Rollout& rollout : request.rollouts()) {
    v1::RolloutAck& ack = *response.add_acks();
    ack = broker_.Check(rollout);
    if (ack.status() != v1::RolloutAck::ACCEPTED) continue;
    // Twice in one request: the first one counts.
    if (!ids.insert(rollout.rollout_id()).second) {
      ack.set_status(v1::RolloutAck::DUPLICATE);
      continue;
    }
    accepted[*UpdateOfRollout(rollout.rollout_id())].push_back(rollout);
  }
  // If a write fails, the sender repeats the whole request; what is stored by
  // then is a duplicate.
  for (const auto& [update, rollouts] : accepted) {
    RLHF_RETURN_IF_ERROR(journals_.at(update).Append(rollouts));
    for (const v1::Rollout& rollout : rollouts) broker_.Commit(rollout);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
