// What the batch desk knows of the log, and of what came in small batches.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk.h"

namespace rlhf {
namespace {

// Comparisons read from the log at once.
constexpr int64_t kPageRows = 1000;

// How far back what dripped in is looked for after a start: measuring takes
// longer than reading.
constexpr int64_t kDripRows = 10'000;

// Files have any name: all small ones are of one origin.
constexpr char kFiles[] = "import:";

}  // namespace

std::string BatchDesk::OriginOf(const std::string& source, bool single) {
  return single ? source : kFiles;
}

absl::StatusOr<std::vector<const v1::Comparison*>> BatchDesk::NewsOf(
    const std::vector<v1::Comparison>& comparisons) {
  MutexLock lock(&mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<JudgementPlacing> placings,
                        judgements_.PlacingsOf(comparisons));
  std::vector<const v1::Comparison*> news;
  for (size_t i = 0; i < comparisons.size(); ++i) {
    if (placings[i] == JudgementPlacing::kNew) news.push_back(&comparisons[i]);
  }
  return news;
}

BatchBackground BatchDesk::Background() const {
  return {.index = &index_,
          .profile = &profile_,
          .gold = &options_.gold,
          .min_log_size = options_.limits.min_size,
          .min_seconds = options_.min_seconds};
}

void BatchDesk::JudgeEvidence(const BatchEvidence& evidence,
                              const std::string& origin,
                              v1::BatchReport& report) {
  if (!IsSmallBatch(evidence, options_.limits)) {
    return SetVerdict(JudgeBatch(evidence, options_.limits), report);
  }
  const DripWindow& before = drips_[origin];
  const BatchVerdict verdict =
      JudgeSmallBatch(evidence, before.SumWith(evidence), options_.limits);
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

void BatchDesk::Remember(const std::string& origin, DripWindow::Entry drip,
                         const v1::BatchReport& report) {
  // What came again says nothing more; gold answers are not stored and do.
  const bool says_something =
      !drip.comparison_ids.empty() || report.num_gold() > 0;
  if (drip.evidence.num_comparisons == 0 || !says_something ||
      !IsSmallBatch(drip.evidence, options_.limits)) {
    return;
  }
  drips_[origin].Add(std::move(drip), options_.limits.min_size);
}

// What is before the newest that the index holds is not read.
absl::Status BatchDesk::CatchUp() {
  const int64_t last = store_->GetStats().num_comparisons;
  // Afterwards each batch is remembered as it comes.
  const int64_t first_drip =
      drips_are_read_ ? last + 1 : std::max<int64_t>(1, last - kDripRows + 1);
  const auto capacity = static_cast<int64_t>(ComparisonIndex::kLogCapacity);
  next_seq_ = std::max(next_seq_, last - capacity + 1);
  OldBatch batch;
  while (next_seq_ <= last) {
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<v1::Comparison> page,
        store_->Read(next_seq_, std::min(last, next_seq_ + kPageRows - 1)));
    for (const v1::Comparison& comparison : page) {
      if (IsGold(comparison)) continue;
      if (comparison.seq() >= first_drip) {
        RLHF_RETURN_IF_ERROR(RememberRow(comparison, batch));
      }
      if (comparison.choice() == v1::RETRACTED) continue;
      const ComparisonKey key = KeyOf(comparison);
      index_.Add(key, NearKeyOf(comparison, key.pair));
      profile_.Add(TraitsOf(comparison));
    }
    next_seq_ += kPageRows;
  }
  next_seq_ = last + 1;
  drips_are_read_ = true;
  return absl::OkStatus();
}

absl::Status BatchDesk::RememberRow(const v1::Comparison& comparison,
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
      options_.limits.min_size);
  return absl::OkStatus();
}

absl::StatusOr<BatchDesk::OldBatch> BatchDesk::FindOldBatch(
    const std::string& batch_id) const {
  OldBatch found = {.batch_id = batch_id};
  const absl::StatusOr<Batch> batch = store_->GetBatch(batch_id);
  // It was cut off before its report, and will be handed in again.
  if (absl::IsNotFound(batch.status())) return found;
  RLHF_RETURN_IF_ERROR(batch.status());
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, ReportOf(*batch));
  found.was_small = batch->state == BatchState::kAccepted &&
                    report.accepted() < options_.limits.min_size;
  if (batch->state == BatchState::kReleased && report.has_suspects()) {
    found.ends_window_of = report.suspects().origin();
  }
  return found;
}

}  // namespace rlhf
