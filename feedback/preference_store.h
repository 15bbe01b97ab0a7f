// The preference store: an append-only, hash-chained log of comparisons, and
// the batches that they came in. What it acknowledged survives a crash of the
// process or machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "feedback/append_plan.h"
#include "feedback/batch.h"
#include "feedback/commit_queue.h"
#include "feedback/comparison_table.h"
#include "feedback/feedback_metrics.h"
#include "feedback/plan_retraction.h"
#include "feedback/verify_log.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

// Decides what the log holds: numbers, chain (feedback/comparison_chain.h),
// what is a duplicate, who is acknowledged. A ComparisonTable keeps the rows.
// Appends of many threads share commits. Thread-safe.
class PreferenceStore {
 public:
  using Appended = AppendedComparison;
  using Stats = LogStats;

  // Opens or creates the store in the SQLite file `path` and verifies all of
  // it. `clock` and `metrics` are not owned and must outlive the store.
  //
  // Errors:
  //   FailedPrecondition  another process has it open (its id is named)
  //   DataLoss            the log is corrupted, or no preference store; it is
  //                       left as it is
  //   ResourceExhausted, Unavailable  the disk
  static absl::StatusOr<std::unique_ptr<PreferenceStore>> Open(
      const std::string& path, const Clock* clock, FeedbackMetrics* metrics);

  // The same over any table. Errors: as VerifyLog.
  static absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenTable(
      std::unique_ptr<ComparisonTable> table, const Clock* clock,
      FeedbackMetrics* metrics);

  // Appends one comparison, and is durable when it returns. `seq` and
  // `committed_unix_ms` are set by the store. A comparison_id that was seen
  // before with the same content is acknowledged again, and so is one that was
  // retracted: nothing brings it back.
  //
  // Errors:
  //   InvalidArgument    comparison_id is empty, or the choice RETRACTED
  //   AlreadyExists      the comparison_id is taken by another content
  //   ResourceExhausted  the disk is full; nothing changed
  //   Unavailable        the disk or the database failed; the comparison may
  //                      be there: append it again
  //   DataLoss           a database came back without what was acknowledged
  absl::StatusOr<Appended> Append(const v1::Comparison& comparison);

  // The same for many in one commit: all of them or, on an error, none.
  absl::StatusOr<std::vector<Appended>> AppendAll(
      absl::Span<const v1::Comparison> comparisons);

  // The comparisons with first_seq <= seq <= last_seq that exist, in order.
  // Retracted ones have the choice RETRACTED and no text.
  absl::StatusOr<std::vector<v1::Comparison>> Read(int64_t first_seq,
                                                   int64_t last_seq) const;

  // The same, one after the other, for many (feedback/comparison_pages.h); no
  // lock is held while `take` runs. Errors: those of Read and `take`.
  absl::Status ForEach(
      int64_t first_seq, int64_t last_seq,
      const std::function<absl::Status(const v1::Comparison&)>& take) const;

  absl::StatusOr<std::optional<v1::Comparison>> Find(
      const std::string& comparison_id) const;

  // All that is counted, with each worker and all that was retracted: a copy
  // that takes longer the more there are.
  Stats GetStats() const;

  // What of it is told often.
  struct Totals {
    int64_t num_comparisons = 0;
    int64_t num_decided = 0;
    int64_t num_workers = 0;
    int64_t num_retracted = 0;
    int64_t num_tombstones = 0;
    int64_t num_replaced = 0;
    std::string chain_head;
  };
  Totals GetTotals() const;

  // Comparisons of the log that the worker gave, without retracted ones.
  int64_t NumOfWorker(const std::string& worker_id) const;

  // What to take back: exactly one of these.
  struct Selection {
    std::vector<std::string> comparison_ids;
    std::string worker_id;
    std::string batch_id;
  };
  struct Retracted {
    // In order.
    std::vector<int64_t> seqs;
    int64_t num_retracted_before = 0;
  };

  // Takes comparisons back, durably and in one commit: texts, comment, worker
  // and judgement go, the row stays with its digest, so that the chain still
  // holds, and a second chain records who did it and why. A batch that waits
  // for a person is refused. That a worker or a batch was retracted is
  // remembered, also if the log has nothing of it. Appends wait meanwhile; a
  // worker's or batch's comparisons are found by reading the whole log.
  //
  // What else tells of them changes in the same commit: `batches`, with their
  // reports and payloads from now on, take the place of those of the same
  // batch_id. One that waited may be refused in it; a payload is kept only of
  // what still waits. `waited` are the comparison_ids that leave them: those
  // that are not in the log are remembered as retracted. If all that is taken
  // back only waits, nothing is selected.
  //
  // Where the disk is full the retraction may be made and its traces in files
  // be left, which is an error too: they are erased with the next change for
  // which there is space, or after the store is opened again.
  //
  // Copies elsewhere keep the text: backups, `path`.v1 of a migration, archives
  // and not yet vacuumed pages of a PostgreSQL server.
  //
  // Errors; after the first three nothing changed:
  //   InvalidArgument     not exactly one kind is selected, but that it may be
  //                       none if there are batches; no reason; no `who`
  //   NotFound            a comparison_id is not in the log, and did not wait
  //                       when it was retracted; or a batch is not in the
  //                       store; which one is named
  //   FailedPrecondition  a batch would change its state in another way
  //   and those of the database, as Append
  absl::StatusOr<Retracted> Retract(const Selection& selection,
                                    const std::string& reason,
                                    const std::string& who,
                                    std::vector<StoredBatch> batches = {},
                                    std::vector<std::string> waited = {});

  // That a comparison of the log has a newer answer of the same person to the
  // same question, both by seq.
  struct Replacement {
    int64_t seq = 0;
    int64_t by = 0;
  };

  // Ends comparisons that were answered anew, durably and in one commit: what
  // Retract leaves of a row is left, with `replaced_by`, and the second chain
  // says so. What is retracted or replaced already stays as it is. Returns how
  // many were replaced now.
  //
  // Unlike a retraction it erases no traces of the old answer in files: nobody
  // asked for it to be forgotten.
  //
  // Errors: NotFound if there is no such comparison; nothing changed; those of
  // the database, as Append.
  absl::StatusOr<int64_t> Replace(absl::Span<const Replacement> replacements);

  // The retractions first_number to last_number that exist, in order.
  absl::StatusOr<std::vector<v1::Retraction>> ReadRetractions(
      int64_t first_number, int64_t last_number) const;

  // The last retraction of a whole batch; nullopt: there was none.
  absl::StatusOr<std::optional<v1::Retraction>> RetractionOfBatch(
      const std::string& batch_id) const;

  // How many of a batch's comparisons in the log are retracted.
  int64_t NumRetractedOfBatch(const std::string& batch_id) const;

  // Whether a worker was retracted by this id. Appends do not ask: what our own
  // page lets in, and what a batch brings, is for others to decide.
  bool IsRetractedWorker(const std::string& worker_id) const;

  // Whether a comparison that was never in the log was retracted by this id.
  // Appends do not ask.
  bool IsRetractedComparison(const std::string& comparison_id) const;

  // Writes down a batch, durably. The same batch again changes nothing. The
  // payload is dropped unless the batch is quarantined. The comparisons of an
  // accepted batch are appended by the caller, before: who is cut off between
  // imports it again, and none is stored twice.
  //
  // Errors:
  //   InvalidArgument    batch_id is empty
  //   AlreadyExists      the batch_id is taken by a batch with another source
  //                      or payload, or in another state
  //   and those of the database, as Append
  absl::Status AddBatch(const StoredBatch& batch);

  // Ends a quarantine, durably, with the report as it is from now on, and
  // removes the payload. To release a batch, append the comparisons of
  // GetBatch's payload first, then set the state: who is cut off between does
  // both again, and none is stored twice. The state that it has already is
  // acknowledged.
  //
  // Errors:
  //   NotFound            no such batch
  //   FailedPrecondition  the batch is not quarantined, or `state` is neither
  //                       kReleased nor kRefused
  //   and those of the database, as Append
  absl::Status SetBatchState(const std::string& batch_id, BatchState state,
                             const std::string& report);

  // The newest `limit` batches, newest first, without their payloads; of those
  // behind `before`, if it is not empty. Errors: NotFound for `before`.
  absl::StatusOr<std::vector<StoredBatch>> ListBatches(
      int64_t limit, const std::string& before = "") const;

  // One batch with its payload. Errors: NotFound.
  absl::StatusOr<StoredBatch> GetBatch(const std::string& batch_id) const;

  // Whether the database would take a change now; waits for it as Append does.
  // Errors: those that Append would have.
  absl::Status CheckTakesChanges();

  // Recomputes the chains over the whole log. Errors: DataLoss.
  absl::Status VerifyChain() const;

  // Copies the store into a new file and verifies the copy. Appends wait
  // meanwhile. Errors: as ComparisonTable::BackupTo.
  absl::Status Backup(const std::string& path) const;

 private:
  PreferenceStore(std::unique_ptr<ComparisonTable> table, LogStats stats,
                  const Clock* clock, FeedbackMetrics* metrics);

  int64_t NowMs() const;
  LogPosition Position() const;
  void CommitGroup(absl::Span<AppendRequest* const> requests);
  absl::Status CommitRequests(absl::Span<AppendRequest* const> requests)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::StatusOr<std::vector<ComparisonRow>> Select(const Selection& selection)
      const ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::Status ChangeBatches(std::vector<StoredBatch> batches,
                             TableChange& change) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::Status RefuseWaiting(const std::string& batch_id,
                             TableChange& change) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  // Those of `waited` that are not in the log, once each, by their digests.
  absl::StatusOr<std::set<std::string>> DigestsToRemember(
      absl::Span<const std::string> waited) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::StatusOr<Retracted> RetractRows(
      const std::vector<ComparisonRow>& rows,
      const std::set<std::string>& waited_digests, RetractionReason why,
      TableChange change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::StatusOr<int64_t> ReplaceRows(
      absl::Span<const Replacement> replacements)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::StatusOr<StoredBatch> MustGetBatch(const std::string& batch_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::Status PutBatch(StoredBatch batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  absl::Status ReloadAfter(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  void Publish(Stats stats) ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);
  // Erases what earlier changes left in files, if they did and it could not be
  // erased yet.
  absl::Status EraseTracesLeft() ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_);

  const Clock* const clock_;
  FeedbackMetrics* const metrics_;

  // Held while the database works; never taken while stats_mutex_ is held.
  mutable Mutex table_mutex_;
  const std::unique_ptr<ComparisonTable> table_
      ABSL_PT_GUARDED_BY(table_mutex_);
  // A process before this one may have been killed before it erased them.
  bool has_traces_ ABSL_GUARDED_BY(table_mutex_) = true;

  // Changes only while table_mutex_ is held too, so that readers of it do not
  // wait for the disk.
  mutable Mutex stats_mutex_;
  Stats stats_ ABSL_GUARDED_BY(stats_mutex_);

  CommitQueue commits_;
};

}  // namespace rlhf
