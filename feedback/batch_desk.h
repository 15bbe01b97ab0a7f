// Where batches come in: read, measured, judged, and stored as the verdict
// says; and where people decide on them and take comparisons back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/batch/batch_gate.h"
#include "feedback/batch_memory.h"
#include "feedback/feedback_metrics.h"
#include "feedback/judgement_book.h"
#include "feedback/pm_margins.h"
#include "feedback/pm_opinions.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback_import.pb.h"

namespace rlhf {

// One batch is judged at a time, against the log as it is then; the PM is asked
// before, and what the log holds is hashed before, while others are decided on
// and comparisons taken back. Memory is that of the batches that come in just
// now, of a BatchMemory and a JudgementBook; while comparisons are taken back,
// also of the batches that wait with some of them. Thread-safe.
class BatchDesk {
 public:
  struct Options {
    // False: whatever can be read is taken, as long as nothing is malformed.
    bool enabled = true;
    BatchLimits limits;
    double min_seconds = 2;
    GoldAnswers gold;
    // Told of a worker who was retracted, once that is durable: what the worker
    // has in hand goes too. May be null. What it returns, Retract returns.
    std::function<absl::Status(const std::string& worker_id)> forget_worker =
        nullptr;
    // The same of answers that were retracted by their ids, for the dialogues
    // that go on from them.
    std::function<absl::Status(const std::vector<std::string>& comparison_ids)>
        forget_answers = nullptr;
  };

  // Stores comparisons, all or none (AnswerDesk::Import and
  // PreferenceStore::AppendAll).
  using Append =
      std::function<absl::StatusOr<std::vector<PreferenceStore::Appended>>(
          const std::vector<v1::Comparison>&)>;

  // Nothing is owned; everything must outlive the desk. `append` puts into
  // `store`. `margins` may be empty: no PM is asked.
  BatchDesk(Options options, PreferenceStore* store, Append append,
            PmMargins margins, const Clock* clock, FeedbackMetrics* metrics);

  struct File {
    absl::string_view text;
    // Without its folders.
    std::string name;
    // Nothing is written.
    bool dry_run = false;
    // What comes one by one: accepted comparisons get no batch_id, and only
    // what is not accepted is kept as a batch.
    bool single = false;
  };

  // Takes a file in. A verdict is no error, whatever it is.
  //
  // Accepted comparisons are stored with the batch's id, durably; a quarantined
  // batch is written down with its comparisons; of a refused one only the
  // report is kept. The same bytes again are the same batch, and what was found
  // then is told. Cut off at any moment, the file can be handed in again and
  // nothing is stored twice. Comparisons that were retracted are left out, and
  // so are those of retracted workers and answers to gold questions; if
  // retracted workers alone speak in it, or the batch itself was retracted, it
  // is refused. Everything new is stored as imported from the file of this
  // name, by unknown policies and under an unknown PM, whatever the file says:
  // it does not judge our workers, and the versions of another run are not
  // ours. The report that is kept quotes nothing.
  //
  // A batch that is too small for the gate is judged together with those before
  // it from the same origin (DripWindow): a webhook's tool, or all small files.
  // After a start and after a retraction the windows are made of the log again,
  // in which neither gold answers nor the PM's opinions are; so is what batches
  // are held against, for which the next one waits. An answer of a
  // labelling tool takes the place of an older one of the same person to the
  // same question (JudgementBook).
  //
  // Errors: InvalidArgument for a name of more than 128 bytes, or with some
  // that cannot be printed; those of PreferenceStore::AppendAll and
  // PreferenceStore::AddBatch.
  absl::StatusOr<v1::BatchReport> Import(const File& file);

  // A person's decision on a quarantined batch; what is released is stored, but
  // for what was retracted and for retracted workers.
  //
  // Errors: InvalidArgument without `by` or `reason`, or as CheckIsOneLine of
  // them; NotFound; then
  // FailedPrecondition if it is not in quarantine; those of Import.
  absl::StatusOr<v1::BatchReport> Decide(const v1::DecideBatchRequest& request);

  // Takes comparisons back, in one change of the store: out of the log
  // (PreferenceStore::Retract), and out of the batches that wait, so that no
  // release brings them into it. A batch that waits is refused, a worker's name
  // leaves the reports that are kept, and all names leave that of a batch. What
  // a worker has in hand is dropped after it, and so are dialogues that go on
  // from comparisons that are named. Cut off at any moment, it can be
  // asked for again. A comparison_id need not be in the log if it waits; what
  // waited does not come in again by another batch.
  //
  // Errors: NotFound for a worker, or a batch, that is nowhere; DataLoss for a
  // report that cannot be read; those of CheckIsOneLine for `by` and `reason`,
  // and of PreferenceStore::Retract.
  absl::StatusOr<v1::RetractResponse> Retract(
      const v1::RetractRequest& request);

  // Reports, newest first. They count what was taken back since. Errors: as
  // FeedbackImport.ListBatches.
  absl::StatusOr<v1::BatchList> List(
      const v1::ListBatchesRequest& request) const;
  // Errors: NotFound.
  absl::StatusOr<v1::BatchReport> Get(const std::string& batch_id) const;

 private:
  // The report as it was kept, with what was retracted since.
  absl::StatusOr<v1::BatchReport> ReportNow(const StoredBatch& batch) const;
  bool IsOfRetractedWorker(const v1::Comparison& comparison) const;
  // The report of a batch that was written down before; nullopt: none was.
  absl::StatusOr<std::optional<v1::BatchReport>> FindSeen(
      const File& file) const;
  // The part of Import that is done alone: judges what was read and stores it.
  absl::StatusOr<v1::BatchReport> TakeIn(const File& file,
                                         ReadableComparisons read,
                                         const PmOpinions& pm,
                                         v1::BatchReport report)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that the log does not have yet, nor anything newer.
  absl::StatusOr<std::vector<const v1::Comparison*>> NewsOf(
      const std::vector<v1::Comparison>& comparisons)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts the verdict into the report; returns what was seen, nothing if the
  // gate did not look.
  absl::StatusOr<BatchEvidence> Judge(const ReadableComparisons& read,
                                      const PmOpinions& pm,
                                      const std::string& origin,
                                      v1::BatchReport& report)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // If comparisons were stored as this batch's, how many of it were news then:
  // what of it is stored is so at once.
  absl::StatusOr<std::optional<int64_t>> NumNewsIfStored(
      const std::vector<v1::Comparison>& comparisons,
      const std::string& batch_id) const;
  // Reads the log for memory_ if it was not or is forgotten, while others have
  // mutex_.
  absl::Status PrepareMemory() ABSL_LOCKS_EXCLUDED(preparing_mutex_, mutex_);
  void ForgetMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns the ids of those that are new in the log.
  absl::StatusOr<std::vector<std::string>> Store(
      std::vector<v1::Comparison> comparisons, const std::string& batch_id,
      v1::BatchReport& report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // NotFound if the request names a worker whom nothing is known of: a mistyped
  // name would look like a withdrawal, and keep an innocent worker out.
  absl::Status CheckIsKnown(const v1::RetractRequest& request) const;
  // Drops what is in hand of what was retracted.
  absl::Status Forget(const v1::RetractRequest& request) const;
  absl::Status Keep(const std::vector<v1::Comparison>& comparisons,
                    const v1::BatchReport& report);
  void WriteDecision(bool released, const std::string& by,
                     const std::string& reason, v1::BatchReport& report) const;
  // Of the request's comparison_ids, those that the store is asked to retract:
  // all but the ones that only wait.
  absl::StatusOr<std::vector<std::string>> IdsToRetract(
      const v1::RetractRequest& request) const;
  // Of the batches that wait.
  absl::StatusOr<std::vector<std::string>> WaitingBatchIds() const;
  absl::StatusOr<std::set<std::string>> WaitingIds() const;
  // Batches as a retraction leaves them.
  struct BatchesLeft {
    // Those that it changes.
    std::vector<StoredBatch> changed;
    // Comparisons that wait no more.
    std::vector<std::string> waited;
    // The report of the one that it refuses.
    std::optional<v1::BatchReport> refused;
  };
  absl::StatusOr<BatchesLeft> BatchesWithout(
      const v1::RetractRequest& request) const;
  // Takes the request's comparisons, and its worker's name, out of one of them.
  absl::Status TakeOut(const v1::RetractRequest& request, StoredBatch batch,
                       BatchesLeft& left) const;
  // The batch of the request: what waits of it, and all names.
  absl::Status TakeBack(const v1::RetractRequest& request,
                        BatchesLeft& left) const;
  void Count(const v1::BatchReport& report);

  const Options options_;
  PreferenceStore* const store_;
  const Append append_;
  const PmMargins margins_;
  const Clock* const clock_;
  FeedbackMetrics* const metrics_;

  // Held while the log is read for memory_; taken before mutex_.
  Mutex preparing_mutex_;

  Mutex mutex_;
  BatchMemory memory_ ABSL_GUARDED_BY(mutex_);
  int64_t num_forgotten_ ABSL_GUARDED_BY(mutex_) = 0;
  JudgementBook judgements_ ABSL_GUARDED_BY(mutex_);
};

// From the run's configuration, gold questions included.
// Errors: as ReadComparisons of feedback.gold_questions.
absl::StatusOr<BatchDesk::Options> BatchDeskOptions(
    const v1::FeedbackConfig& config);

}  // namespace rlhf
