// The Rollouts service: RolloutBroker behind a lock, with the journals that
// make an acknowledgement durable, one for each open batch.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "rlhf/v1/rollout.grpc.pb.h"
#include "trainer/experience/rollout_broker.h"
#include "trainer/experience/rollout_journal.h"
#include "trainer/learner_metrics.h"
#include "trainer/rollout_traces.h"

namespace rlhf {

// Thread-safe.
class RolloutsService final : public v1::Rollouts::Service {
 public:
  // No pointer is owned; all must outlive the service. `traces` may be null.
  RolloutsService(const RolloutBroker::Options& options,
                  const PromptSchedule* schedule, LearnerMetrics* metrics,
                  RolloutTraces* traces = nullptr);

  // Opens a batch with its journal; `accepted` are the rollouts that the
  // journal holds already.
  void OpenBatch(const v1::BatchHeader& header, RolloutJournal journal,
                 const std::vector<v1::Rollout>& accepted);

  bool is_open(int64_t update) const;

  // Blocks until the batch of `update`, which is open, is complete or `timeout`
  // passed; returns whether it is complete.
  bool WaitComplete(int64_t update, absl::Duration timeout);

  // The complete batch in slot order; closes it.
  std::vector<v1::Rollout> TakeBatch(int64_t update);

  // What the open batch holds so far; closes it.
  std::vector<v1::Rollout> AbandonBatch(int64_t update);

  // Of a batch that is open.
  int64_t num_accepted(int64_t update) const;
  bool complete(int64_t update) const;

  // From now on actors are told that the run is over.
  void Finish();

  // Where there is nothing to lease, waits a moment for a batch to open.
  grpc::Status LeasePrompts(grpc::ServerContext* context,
                            const v1::LeasePromptsRequest* request,
                            v1::LeasePromptsResponse* response) override;
  grpc::Status SubmitRollouts(grpc::ServerContext* context,
                              const v1::SubmitRolloutsRequest* request,
                              v1::SubmitRolloutsResponse* response) override;

 private:
  absl::Status Store(const v1::SubmitRolloutsRequest& request,
                     v1::SubmitRolloutsResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Close(int64_t update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if no batch was opened in that time.
  bool WaitForOpening(absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LearnerMetrics* const metrics_;
  RolloutTraces* const traces_;
  mutable Mutex mutex_;
  CondVar changed_;
  RolloutBroker broker_ ABSL_GUARDED_BY(mutex_);
  // Of the open batches, by update.
  std::map<int64_t, RolloutJournal> journals_ ABSL_GUARDED_BY(mutex_);
  int64_t num_opened_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
