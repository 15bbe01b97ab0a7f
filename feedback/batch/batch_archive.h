// Where batches are kept, whatever became of them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "feedback/batch.h"

namespace rlhf {

// Thread-safe.
class BatchArchive {
 public:
  virtual ~BatchArchive() = default;

  // Writes down a batch, durably where the archive is. The same batch again
  // changes nothing. The payload is dropped unless the batch is quarantined.
  //
  // Errors: InvalidArgument if batch_id is empty; AlreadyExists if it is taken
  // by a batch in another state; those of the disk.
  virtual absl::Status AddBatch(const Batch& batch) = 0;

  // Ends a quarantine, with the report as it is from now on, and removes the
  // payload. The state that it has already is acknowledged.
  //
  // Errors: NotFound; FailedPrecondition if it is in another state, or `state`
  // is neither kReleased nor kRefused; those of the disk.
  virtual absl::Status DecideBatch(const std::string& batch_id,
                                   BatchState state,
                                   const std::string& report) = 0;

  // All batches, newest first, without their payloads.
  virtual absl::StatusOr<std::vector<Batch>> ListBatches() const = 0;

  // One batch with its payload. Errors: NotFound.
  virtual absl::StatusOr<Batch> GetBatch(const std::string& batch_id) const = 0;
};

// Forgets everything when it is destroyed.
class InMemoryBatchArchive final : public BatchArchive {
 public:
  absl::Status AddBatch(const Batch& batch) override;
  absl::Status DecideBatch(const std::string& batch_id, BatchState state,
                           const std::string& report) override;
  absl::StatusOr<std::vector<Batch>> ListBatches() const override;
  absl::StatusOr<Batch> GetBatch(const std::string& batch_id) const override;

 private:
  Batch* Find(const std::string& batch_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::vector<Batch> batches_ ABSL_GUARDED_BY(mutex_);  // the oldest first
};

}  // namespace rlhf
