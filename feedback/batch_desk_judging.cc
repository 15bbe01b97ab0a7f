// How the batch desk judges: what of a batch is news, and what it is held
// against.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk.h"

namespace rlhf {
namespace {

// Of the records that are news, where `num_news` of the comparisons are.
SeenShare MalformedOf(const ReadableComparisons& read, int64_t num_news) {
  const int64_t num_known =
      static_cast<int64_t>(read.parsed.comparisons.size()) - num_news;
  return {.count = read.num_malformed,
          .total = std::max(read.num_malformed, read.num_records - num_known)};
}

}  // namespace

absl::StatusOr<BatchEvidence> BatchDesk::Judge(const ReadableComparisons& read,
                                               const PmOpinions& pm,
                                               const std::string& origin,
                                               v1::BatchReport& report) {
  BatchEvidence evidence;
  if (!options_.enabled) {
    // As a small batch: nothing malformed, and no shares.
    evidence.malformed = {.count = read.num_malformed,
                          .total = std::min<int64_t>(
                              read.num_records, options_.limits.min_size - 1)};
    evidence.malformed.count =
        std::min(evidence.malformed.count, evidence.malformed.total);
    SetVerdict(JudgeBatch(evidence, options_.limits), report);
    report.set_reason("the batch gate is off");
    return BatchEvidence();
  }
  RLHF_ASSIGN_OR_RETURN(
      const std::optional<int64_t> num_stored_news,
      NumNewsIfStored(read.parsed.comparisons, report.batch_id()));
  if (num_stored_news.has_value()) {
    // The service stopped between storing them and writing the report.
    SetVerdict({.reason = "its comparisons were stored before"}, report);
    evidence = {.malformed = MalformedOf(read, *num_stored_news),
                .num_comparisons = *num_stored_news};
    report.set_was_small(IsSmallBatch(evidence, options_.limits));
    // The window without it may be there by now.
    if (report.was_small()) ForgetMemory();
    return BatchEvidence();
  }
  RLHF_RETURN_IF_ERROR(memory_.CatchUp());
  RLHF_ASSIGN_OR_RETURN(const std::vector<JudgementPlacing> placings,
                        judgements_.PlacingsOf(read.parsed.comparisons));
  std::vector<BatchItem> items;
  for (size_t i = 0; i < read.parsed.comparisons.size(); ++i) {
    // A tool's export has all that it had before: that is no news.
    if (placings[i] != JudgementPlacing::kNew) continue;
    const v1::Comparison& comparison = read.parsed.comparisons[i];
    const std::string& id = comparison.comparison_id();
    items.push_back({.comparison = &comparison,
                     .line = read.parsed.lines[i],
                     .pm_margin = MarginOf(pm.margins, id),
                     .edit_margin = MarginOf(pm.edit_margins, id)});
  }
  evidence = MeasureBatch(items, memory_.Background());
  evidence.malformed = MalformedOf(read, static_cast<int64_t>(items.size()));
  evidence.no_pm = pm.why_none;
  memory_.Judge(evidence, origin, report);
  return evidence;
}

absl::StatusOr<std::optional<int64_t>> BatchDesk::NumNewsIfStored(
    const std::vector<v1::Comparison>& comparisons,
    const std::string& batch_id) const {
  bool is_stored = false;
  int64_t num_news = 0;
  for (const v1::Comparison& comparison : comparisons) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(comparison.comparison_id()));
    // Some of it may have come in an earlier batch, or be retracted; what is
    // left is stored whole or not at all.
    const bool is_ours = stored.has_value() && stored->batch_id() == batch_id;
    is_stored |= is_ours;
    // What a tool's export has that was there before is no news.
    if (is_ours || comparison.judgement_key().empty()) ++num_news;
  }
  if (!is_stored) return std::nullopt;
  return num_news;
}

absl::Status BatchDesk::PrepareMemory() {
  MutexLock one_at_a_time(&preparing_mutex_);
  while (true) {
    int64_t num_forgotten = 0;
    int64_t last = 0;
    {
      MutexLock lock(&mutex_);
      if (memory_.is_read()) return absl::OkStatus();
      num_forgotten = num_forgotten_;
      // Each batch that is stored up to here has its report.
      last = store_->GetTotals().num_comparisons;
    }
    BatchMemory fresh(store_, &options_.limits, options_.min_seconds,
                      &options_.gold);
    RLHF_RETURN_IF_ERROR(fresh.ReadTo(last));
    MutexLock lock(&mutex_);
    // What was taken back meanwhile may be in it.
    if (num_forgotten_ != num_forgotten) continue;
    if (memory_.is_read()) return absl::OkStatus();
    RLHF_RETURN_IF_ERROR(fresh.CatchUp());
    memory_ = std::move(fresh);
    return absl::OkStatus();
  }
}

void BatchDesk::ForgetMemory() {
  memory_.Forget();
  ++num_forgotten_;
}

}  // namespace rlhf
