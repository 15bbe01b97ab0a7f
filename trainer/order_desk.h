// Takes orders from gRPC's threads and tells the learner's main thread what
// follows from them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/order_log.h"
#include "trainer/order_rules.h"

namespace rlhf {

// Thread-safe.
class OrderDesk {
 public:
  // Reads what was ordered before. `config` and `clock` are not owned and must
  // outlive the desk. Errors: as OrderLog::ReadAll.
  static absl::StatusOr<std::unique_ptr<OrderDesk>> Open(
      const v1::RunConfig& config, const Clock* clock);

  // Takes an order that is signed with the run's key: it is in the log when
  // this returns OK. One that was taken gives the same record again.
  //
  // Errors: as OrderLog::Open, AdmitOrder; those of the disk; Unavailable
  // before the first call of Reached.
  absl::StatusOr<v1::OrderRecord> Take(const v1::SignedOrder& signed_order);

  // The run has made `update` (0: none yet), and goes on with this KL
  // coefficient.
  void Reached(int64_t update, double kl_coefficient);

  // Orders what a rule that came with an order wants after this update.
  // Errors: those of the disk.
  absl::Status Judge(const v1::UpdateReport& report);

  // What the batch of `update`, which is opened now, is made with: no later
  // order changes it.
  v1::LiveSettings ForBatch(int64_t update);

  // Why no update is to be begun: "paused by NAME: REASON"; empty: go on.
  std::string Pause() const;

  // Whether a checkpoint is to be written though that of update `newest` is
  // there. Not before the run has made the update after which it was ordered:
  // one that a crash took has to be made again first.
  bool WantsCheckpoint(int64_t newest) const;

  // Whether the run is to end: an order to stop came to this process.
  bool WantsStop() const;

  // Whether every order is there that a checkpoint, or a journal, was made
  // with. Errors: DataLoss.
  absl::Status CheckComplete(const v1::LiveSettings& settings) const;

 private:
  OrderDesk(const v1::RunConfig& config, const Clock* clock);

  // Admits an order and writes it down.
  absl::StatusOr<v1::OrderRecord> Admit(const v1::Order& order,
                                        const std::string& signature)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::RunConfig& config_;
  const Clock* const clock_;
  const OrderLog log_;
  mutable Mutex mutex_;
  std::vector<v1::OrderRecord> taken_ ABSL_GUARDED_BY(mutex_);
  int64_t update_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t next_batch_ ABSL_GUARDED_BY(mutex_) = 1;
  double kl_coefficient_ ABSL_GUARDED_BY(mutex_) = 0;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
