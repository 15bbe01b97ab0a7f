// The rollouts of one batch on disk: what makes an acknowledgement durable, and
// what a restarted learner trains on again.
//
// A file of records, the first a BatchHeader, the others Rollouts. Each record
// is a little-endian u32 length, a u64 xxh3 of the bytes, and the bytes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

struct JournalContents {
  v1::BatchHeader header;
  // In the order of their acknowledgement.
  std::vector<v1::Rollout> rollouts;
};

// Not thread-safe.
class RolloutJournal {
 public:
  // Starts a journal. Errors: AlreadyExists; those of the disk.
  static absl::StatusOr<RolloutJournal> Create(const std::string& path,
                                               const v1::BatchHeader& header);

  // Opens a journal for appending and returns what is in it. A record that a
  // crash cut off at the end is removed, with a line in the log.
  //
  // Errors: NotFound; DataLoss, with the offset, if the header or a record
  // before the last is damaged.
  static absl::StatusOr<RolloutJournal> Open(const std::string& path,
                                             JournalContents& contents);

  // What is in a journal, which is left as it is; a record that a crash cut off
  // at the end is passed over. Errors: as Open.
  static absl::StatusOr<JournalContents> Read(const std::string& path);

  ~RolloutJournal();
  RolloutJournal(RolloutJournal&& other) noexcept;
  RolloutJournal& operator=(RolloutJournal&& other) noexcept;

  // Durable when it returns OK. After an error the file is as it was before.
  absl::Status Append(const std::vector<v1::Rollout>& rollouts);

  // Takes the place of the journal at `path`, in one step.
  absl::Status MoveTo(const std::string& path);

 private:
  RolloutJournal(std::string path, int fd, int64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

// "RUN/rollouts/000012.pb".
std::string JournalPath(const std::string& run_directory, int64_t update);

// "RUN/rollouts/000012.poisoned.pb": where it is if the batch was left out.
std::string PoisonedJournalPath(const std::string& run_directory,
                                int64_t update);

}  // namespace rlhf
