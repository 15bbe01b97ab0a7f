// The preference store: an append-only, hash-chained log of comparisons in one
// SQLite file. What it acknowledged survives a crash of the process or machine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/base/process_lock.h"
#include "feedback/feedback_metrics.h"
#include "feedback/sqlite.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// The comparisons are serialized v1::Comparison messages b_1, b_2, …, and
//   chain_0 = 64 zeros,  chain_n = SHA-256 in hex of chain_{n-1} followed by
//   b_n
// so that chain_n names the first n comparisons, order and all.
//
// One process holds the file, with one connection that no other may join
// (locking_mode EXCLUSIVE): SQLite 3.40 can corrupt a log that two connections
// write or checkpoint. Others read through the Feedback service. Thread-safe.
class PreferenceStore {
 public:
  struct Appended {
    int64_t seq = 0;
    // It was committed before; nothing was written.
    bool duplicate = false;
  };
  struct Stats {
    int64_t num_comparisons = 0;
    // Comparisons with a better side, answers to gold questions left out.
    int64_t num_decided = 0;
    std::string chain_head;
    // Comparisons of each worker.
    std::map<std::string, int64_t> num_by_worker;
  };

  // Opens or creates the store in `path` and verifies all of it. `clock` and
  // `metrics` are not owned and must outlive the store.
  //
  // Errors:
  //   FailedPrecondition  another process has it open (its id is named)
  //   DataLoss            the file is corrupted, or no preference store; it is
  //                       left as it is
  //   ResourceExhausted, Unavailable  the disk
  static absl::StatusOr<std::unique_ptr<PreferenceStore>> Open(
      const std::string& path, const Clock* clock, FeedbackMetrics* metrics);

  // Appends one comparison, and is durable when it returns. `seq` and
  // `committed_unix_ms` are set by the store. A comparison_id that was seen
  // before with the same content is acknowledged again.
  //
  // Errors:
  //   InvalidArgument    comparison_id is empty
  //   AlreadyExists      the comparison_id is taken by another content
  //   ResourceExhausted  the disk is full; nothing changed
  //   Unavailable        the disk failed; nothing changed
  absl::StatusOr<Appended> Append(const v1::Comparison& comparison);

  // The same for many in one commit: all of them or, on an error, none.
  absl::StatusOr<std::vector<Appended>> AppendAll(
      absl::Span<const v1::Comparison> comparisons);

  // The comparisons with first_seq <= seq <= last_seq that exist, in order.
  absl::StatusOr<std::vector<v1::Comparison>> Read(int64_t first_seq,
                                                   int64_t last_seq) const;

  absl::StatusOr<std::optional<v1::Comparison>> Find(
      const std::string& comparison_id) const;

  Stats GetStats() const;

  // Recomputes the chain over the whole log. Errors: DataLoss.
  absl::Status VerifyChain() const;

 private:
  PreferenceStore(ProcessLock lock, SqliteDatabase database, std::string path,
                  const Clock* clock, FeedbackMetrics* metrics);

  absl::Status Prepare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Stats> ReplayLog() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<v1::Comparison>> FindLocked(
      const std::string& comparison_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Appended> AppendOne(v1::Comparison comparison, Stats& stats)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Insert(const v1::Comparison& comparison,
                      const std::string& bytes, const std::string& chain)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const v1::Comparison& comparison, const std::string& chain,
             Stats& stats) const;
  absl::StatusOr<std::vector<Appended>> Commit(
      absl::Span<const v1::Comparison> comparisons)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ProcessLock lock_;
  const std::string path_;
  const Clock* const clock_;
  FeedbackMetrics* const metrics_;

  mutable Mutex mutex_;
  mutable SqliteDatabase database_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
