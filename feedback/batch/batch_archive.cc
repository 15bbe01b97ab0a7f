#include "feedback/batch/batch_archive.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rlhf {

Batch* InMemoryBatchArchive::Find(const std::string& batch_id) {
  const auto found = std::find_if(
      batches_.begin(), batches_.end(),
      [&](const Batch& batch) { return batch.batch_id == batch_id; });
  return found == batches_.end() ? nullptr : &*found;
}

absl::Status InMemoryBatchArchive::AddBatch(const Batch& batch) {
  if (batch.batch_id.empty()) {
    return absl::InvalidArgumentError("batch_id is empty");
  }
  MutexLock lock(&mutex_);
  if (const Batch* const known = Find(batch.batch_id)) {
    if (known->state == batch.state) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("batch ", batch.batch_id, " is there in another state"));
  }
  batches_.push_back(batch);
  if (batch.state != BatchState::kQuarantined) batches_.back().payload.clear();
  return absl::OkStatus();
}

absl::Status InMemoryBatchArchive::DecideBatch(const std::string& batch_id,
                                               BatchState state,
                                               const std::string& report) {
  MutexLock lock(&mutex_);
  Batch* const batch = Find(batch_id);
  if (batch == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no batch ", batch_id));
  }
  if (batch->state == state) return absl::OkStatus();
  const bool decides =
      state == BatchState::kReleased || state == BatchState::kRefused;
  if (batch->state != BatchState::kQuarantined || !decides) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch ", batch_id, " is not in quarantine"));
  }
  batch->state = state;
  batch->report = report;
  batch->payload.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Batch>> InMemoryBatchArchive::ListBatches() const {
  MutexLock lock(&mutex_);
  std::vector<Batch> listed(batches_.rbegin(), batches_.rend());
  for (Batch& batch : listed) batch.payload.clear();
  return listed;
}

absl::StatusOr<Batch> InMemoryBatchArchive::GetBatch(
    const std::string& batch_id) const {
  MutexLock lock(&mutex_);
  for (const Batch& batch : batches_) {
    if (batch.batch_id == batch_id) return batch;
  }
  return absl::NotFoundError(absl::StrCat("there is no batch ", batch_id));
}

}  // namespace rlhf
