// Checkpoints that are whole or absent, and are proven before they are used.
//
//   ROOT/000012/…             files the caller writes
//   ROOT/000012/manifest.json their sizes and SHA-256, the metric; written last
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rlhf {

struct Checkpoint {
  int64_t step = 0;
  std::string directory;
  // Those that were looked at first and passed over.
  int num_damaged = 0;
};

// Not thread-safe; one process writes.
class CheckpointStore {
 public:
  // Keeps the newest `num_kept` >= 1 and the `num_best_kept` with the highest
  // metric.
  CheckpointStore(std::string root, int num_kept, int num_best_kept = 0);

  // Makes the checkpoint of `step` out of what `fill` writes into the folder it
  // is given (at least one file, no folders), then removes those up to `step`
  // that are not kept. One that exists already and is intact is left as it is.
  // One without a metric is never among the best.
  //
  // Errors: those of `fill`; ResourceExhausted on a full disk. Older
  // checkpoints are untouched then, and nothing half-written stays.
  absl::Status Save(int64_t step,
                    const std::function<absl::Status(const std::string&)>& fill,
                    std::optional<double> metric = std::nullopt);

  // The newest checkpoint, of those of at most step `last`, whose files are
  // what its manifest says; nullopt if there is none at all. Damaged ones are
  // passed over with a log line that names the file.
  //
  // Errors: DataLoss if there are checkpoints but every one is damaged: to
  // start from zero silently would lose the run.
  absl::StatusOr<std::optional<Checkpoint>> Newest(
      int64_t last = std::numeric_limits<int64_t>::max()) const;

  // The oldest checkpoint that is intact, otherwise as Newest.
  absl::StatusOr<std::optional<Checkpoint>> Oldest() const;

 private:
  // The first intact one of `steps`.
  absl::StatusOr<std::optional<Checkpoint>> FirstIntact(
      const std::vector<int64_t>& steps) const;
  absl::Status RemoveOldOnes(int64_t step);
  // All steps, oldest first, damaged ones included.
  std::vector<int64_t> Steps() const;
  std::string Directory(int64_t step) const;

  const std::string root_;
  const int num_kept_;
  const int num_best_kept_;
};

// OK if every file of `directory` is what its manifest says. Errors: DataLoss
// naming the file.
absl::Status VerifyCheckpoint(const std::string& directory);

}  // namespace rlhf
