// Batches as files of one folder, one JSON file each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "feedback/batch/batch_archive.h"

namespace rlhf {

// What it acknowledged survives a crash. One process at a time may use a
// folder: in a run it stands beside the preference store, whose lock sees to
// that.
class FolderBatchArchive final : public BatchArchive {
 public:
  // The folder is made when the first batch comes.
  explicit FolderBatchArchive(std::string folder)
      : folder_(std::move(folder)) {}

  absl::Status AddBatch(const Batch& batch) override;
  absl::Status DecideBatch(const std::string& batch_id, BatchState state,
                           const std::string& report) override;
  absl::StatusOr<std::vector<Batch>> ListBatches() const override;
  // DataLoss besides, if the file is no batch.
  absl::StatusOr<Batch> GetBatch(const std::string& batch_id) const override;

 private:
  absl::StatusOr<Batch> Read(const std::string& batch_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Write(const Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string PathOf(const std::string& batch_id) const;

  const std::string folder_;
  mutable Mutex mutex_;
};

}  // namespace rlhf
