// What batches are held against: the log, and what came in small batches.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feedback/batch/batch_gate.h"
#include "feedback/batch/comparison_index.h"
#include "feedback/batch/drip_window.h"
#include "feedback/batch/log_profile.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/feedback_import.pb.h"

namespace rlhf {

// A ComparisonIndex and a LogProfile of the newest part of the log, and a
// DripWindow for each origin. Movable. Not thread-safe.
class BatchMemory {
 public:
  // Nothing is owned; everything must outlive this.
  BatchMemory(const PreferenceStore* store, const BatchLimits* limits,
              double min_seconds, const GoldAnswers* gold)
      : store_(store),
        limits_(limits),
        min_seconds_(min_seconds),
        gold_(gold) {}

  // Which window a batch that is small belongs to: its source's, if it comes by
  // itself (`single`), else that of all small files.
  static std::string OriginOf(const std::string& source, bool single);

  // Reads what is new in the log: whatever else is asked for is of the log up
  // to the last call. After the first one each small batch is remembered as it
  // comes. Errors: those of PreferenceStore::ForEach and
  // PreferenceStore::GetBatch.
  absl::Status CatchUp();

  // The long part of the first CatchUp, which hashes up to 131,072 comparisons:
  // the log up to `last`. Errors: the same.
  absl::Status ReadTo(int64_t last);

  // Whether CatchUp was called since all was forgotten.
  bool is_read() const { return is_read_; }

  // What a batch is measured against.
  BatchBackground Background() const;

  // Puts the verdict on a batch of which this was seen into the report, and
  // whom of those before it suspects.
  void Judge(const BatchEvidence& evidence, const std::string& origin,
             v1::BatchReport& report);

  // Takes up what was accepted, if it was too small to be judged by itself.
  void Remember(const std::string& origin, DripWindow::Entry drip,
                const v1::BatchReport& report);

  // A person looked at what came from there.
  void EndWindowOf(const std::string& origin) { drips_.erase(origin); }

  // Something was taken out of the log: all is read again.
  void Forget();

 private:
  // A batch of the log, as far as it matters for what drips in.
  struct OldBatch {
    std::string batch_id;
    // It was accepted, and too small to be judged by itself.
    bool was_small = false;
    // It was released though what came before it from there was suspected.
    std::string ends_window_of;
  };

  absl::Status RememberRow(const v1::Comparison& comparison, OldBatch& batch);
  absl::StatusOr<OldBatch> FindOldBatch(const std::string& batch_id) const;

  // Not const: another one that was read meanwhile takes its place.
  const PreferenceStore* store_;
  const BatchLimits* limits_;
  double min_seconds_;
  const GoldAnswers* gold_;

  // Of the log before `next_seq_`.
  ComparisonIndex index_;
  LogProfile profile_;
  int64_t next_seq_ = 1;
  // What came in small batches, by origin.
  std::map<std::string, DripWindow> drips_;
  // Whether what the log tells of earlier ones is in it.
  bool is_read_ = false;
};

}  // namespace rlhf
