#include "feedback/batch_memory.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/batch/batch_report.h"

namespace rlhf {
namespace {

// How far back what dripped in is looked for after a start: measuring takes
// longer than reading.
constexpr int64_t kDripRows = 10'000;

// Files have any name: all small ones are of one origin.
constexpr char kFiles[] = "import:";

// Reports of older versions do not say it. What was there before counts too: of
// a batch that was stored before its report was written, it is all.
bool WasSmall(const v1::BatchReport& report, int64_t min_size) {
  return report.has_was_small()
             ? report.was_small()
             : report.accepted() + report.duplicates() < min_size;
}

}  // namespace

std::string BatchMemory::OriginOf(const std::string& source, bool single) {
  return single ? source : kFiles;
}

BatchBackground BatchMemory::Background() const {
  return {.index = &index_,
          .profile = &profile_,
          .gold = gold_,
          .min_log_size = limits_->min_size,
          .min_seconds = min_seconds_};
}

void BatchMemory::Judge(const BatchEvidence& evidence,
                        const std::string& origin, v1::BatchReport& report) {
  report.set_was_small(IsSmallBatch(evidence, *limits_));
  if (!report.was_small()) {
    return SetVerdict(JudgeBatch(evidence, *limits_), report);
  }
  const DripWindow& before = drips_[origin];
  const BatchVerdict verdict =
      JudgeSmallBatch(evidence, before.SumWith(evidence), *limits_);
  SetVerdict(verdict, report);
  if (!verdict.suspects_those_before) return;
  v1::BatchSuspects* const suspects = report.mutable_suspects();
  suspects->set_origin(origin);
  for (std::string& id : before.comparison_ids()) {
    suspects->add_comparison_ids(std::move(id));
  }
  for (std::string& id : before.batch_ids()) {
    suspects->add_batch_ids(std::move(id));
  }
}

void BatchMemory::Remember(const std::string& origin, DripWindow::Entry drip,
                           const v1::BatchReport& report) {
  // What came again says nothing more; gold answers are not stored and do.
  const bool says_something =
      !drip.comparison_ids.empty() || report.num_gold() > 0;
  if (drip.evidence.num_comparisons == 0 || !says_something ||
      !report.was_small()) {
    return;
  }
  drips_[origin].Add(std::move(drip), limits_->min_size);
}

absl::Status BatchMemory::CatchUp() {
  RLHF_RETURN_IF_ERROR(ReadTo(store_->GetTotals().num_comparisons));
  is_read_ = true;
  return absl::OkStatus();
}

// What is before the newest that the index holds is not read.
absl::Status BatchMemory::ReadTo(int64_t last) {
  // Once it is read each batch is remembered as it comes.
  const int64_t first_drip =
      is_read_ ? last + 1 : std::max<int64_t>(1, last - kDripRows + 1);
  const auto capacity = static_cast<int64_t>(ComparisonIndex::kLogCapacity);
  next_seq_ = std::max(next_seq_, last - capacity + 1);
  OldBatch batch;
  RLHF_RETURN_IF_ERROR(store_->ForEach(
      next_seq_, last, [&](const v1::Comparison& comparison) -> absl::Status {
        if (!IsGold(comparison) && comparison.seq() >= first_drip) {
          RLHF_RETURN_IF_ERROR(RememberRow(comparison, batch));
        }
        next_seq_ = comparison.seq() + 1;
        if (IsGold(comparison) || comparison.choice() == v1::RETRACTED) {
          return absl::OkStatus();
        }
        ComparisonKey key = KeyOf(comparison);
        // What is extra was said before, but counts for nothing.
        if (!Counts(comparison)) key.vote = 0;
        index_.Add(key, NearKeyOf(comparison, key.pair));
        if (Counts(comparison)) profile_.Add(TraitsOf(comparison));
        return absl::OkStatus();
      }));
  next_seq_ = last + 1;
  return absl::OkStatus();
}

void BatchMemory::Forget() {
  index_ = ComparisonIndex();
  profile_ = LogProfile();
  next_seq_ = 1;
  drips_.clear();
  is_read_ = false;
}

absl::Status BatchMemory::RememberRow(const v1::Comparison& comparison,
                                      OldBatch& batch) {
  if (!IsImported(comparison)) return absl::OkStatus();
  const std::string& id = comparison.batch_id();
  if (id.empty()) {
    batch = {};
  } else if (batch.batch_id != id) {
    RLHF_ASSIGN_OR_RETURN(batch, FindOldBatch(id));
    // A person looked at what came before, whatever became of it since.
    if (!batch.ends_window_of.empty()) drips_.erase(batch.ends_window_of);
  }
  if (comparison.choice() == v1::RETRACTED) return absl::OkStatus();
  if (!id.empty() && !batch.was_small) return absl::OkStatus();
  drips_[OriginOf(comparison.source(), /*single=*/id.empty())].Add(
      {.evidence = MeasureBatch({{.comparison = &comparison}}, Background()),
       .batch_id = id,
       .comparison_ids = {comparison.comparison_id()}},
      limits_->min_size);
  return absl::OkStatus();
}

absl::StatusOr<BatchMemory::OldBatch> BatchMemory::FindOldBatch(
    const std::string& batch_id) const {
  OldBatch found = {.batch_id = batch_id};
  const absl::StatusOr<StoredBatch> batch = store_->GetBatch(batch_id);
  // It was cut off before its report, and will be handed in again.
  if (absl::IsNotFound(batch.status())) return found;
  RLHF_RETURN_IF_ERROR(batch.status());
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, ReportOf(*batch));
  found.was_small = batch->state == BatchState::kAccepted &&
                    WasSmall(report, limits_->min_size);
  if (batch->state == BatchState::kReleased && report.has_suspects()) {
    found.ends_window_of = report.suspects().origin();
  }
  return found;
}

}  // namespace rlhf
