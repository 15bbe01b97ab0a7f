#include "feedback/preference_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "feedback/comparison_chain.h"
#include "feedback/comparison_pages.h"
#include "feedback/sqlite_table.h"

namespace rlhf {
namespace {

// Of one commit; bounds its memory and how long it keeps others waiting.
constexpr size_t kMaxGroupComparisons = 4096;

absl::Status WithAdvice(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(
      absl::StrCat(status.message(),
                   "; it is left as it is: restore a backup, or move it away"));
}

bool IsRefusal(const absl::Status& status) {
  return absl::IsAlreadyExists(status) || absl::IsInvalidArgument(status);
}

}  // namespace

PreferenceStore::PreferenceStore(std::unique_ptr<ComparisonTable> table,
                                 LogStats stats, const Clock* clock,
                                 FeedbackMetrics* metrics)
    : clock_(clock),
      metrics_(metrics),
      table_(std::move(table)),
      stats_(std::move(stats)),
      commits_(kMaxGroupComparisons,
               [this](absl::Span<AppendRequest* const> requests) {
                 CommitGroup(requests);
               }) {
  metrics_->comparisons_stored.Set(static_cast<double>(stats_.num_comparisons));
}

absl::StatusOr<std::unique_ptr<PreferenceStore>> PreferenceStore::Open(
    const std::string& path, const Clock* clock, FeedbackMetrics* metrics) {
  absl::StatusOr<std::unique_ptr<SqliteTable>> table = SqliteTable::Open(path);
  if (!table.ok()) return WithAdvice(table.status());
  return OpenTable(*std::move(table), clock, metrics);
}

absl::StatusOr<std::unique_ptr<PreferenceStore>> PreferenceStore::OpenTable(
    std::unique_ptr<ComparisonTable> table, const Clock* clock,
    FeedbackMetrics* metrics) {
  absl::StatusOr<LogStats> stats = VerifyLog(*table, /*known=*/nullptr);
  if (!stats.ok()) return WithAdvice(stats.status());
  std::unique_ptr<PreferenceStore> store(
      new PreferenceStore(std::move(table), *std::move(stats), clock, metrics));
  MutexLock lock(&store->table_mutex_);
  if (const absl::Status erased = store->EraseTracesLeft(); !erased.ok()) {
    RLHF_LOG(WARNING) << "what was retracted before may still be in files: "
                      << erased;
  }
  return store;
}

absl::Status PreferenceStore::EraseTracesLeft() {
  if (!has_traces_) return absl::OkStatus();
  RLHF_RETURN_IF_ERROR(table_->EraseTraces());
  has_traces_ = false;
  return absl::OkStatus();
}

int64_t PreferenceStore::NowMs() const {
  return absl::ToUnixMillis(clock_->Now());
}

absl::StatusOr<PreferenceStore::Appended> PreferenceStore::Append(
    const v1::Comparison& comparison) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Appended> appended,
                        AppendAll(absl::MakeConstSpan(&comparison, 1)));
  return appended.front();
}

absl::StatusOr<std::vector<PreferenceStore::Appended>>
PreferenceStore::AppendAll(absl::Span<const v1::Comparison> comparisons) {
  AppendRequest request = {.comparisons = comparisons};
  commits_.Commit(&request);
  if (!request.result.ok()) return request.result;
  const auto num_duplicates = std::count_if(
      request.result->begin(), request.result->end(),
      [](const Appended& appended) { return appended.duplicate; });
  metrics_->comparisons_duplicate.Increment(num_duplicates);
  metrics_->comparisons_accepted.Increment(request.result->size() -
                                           num_duplicates);
  return request.result;
}

void PreferenceStore::CommitGroup(absl::Span<AppendRequest* const> requests) {
  MutexLock lock(&table_mutex_);
  const Stopwatch watch;
  absl::Status status = CommitRequests(requests);
  if (absl::IsAborted(status)) {
    status = ReloadAfter(status);
    if (status.ok()) status = CommitRequests(requests);
  }
  if (!status.ok()) {
    metrics_->store_errors.Of(status.code()).Increment();
    RLHF_LOG(ERROR) << "comparisons not saved: " << status;
    for (AppendRequest* const request : requests) {
      if (!IsRefusal(request->result.status())) request->result = status;
    }
    return;
  }
  if (std::none_of(requests.begin(), requests.end(),
                   [](const AppendRequest* r) { return r->result.ok(); })) {
    return;
  }
  metrics_->store_commit_duration.Observe(watch.seconds());
  // What could not be erased before, as the disk was full.
  EraseTracesLeft().IgnoreError();
  metrics_->last_comparison_timestamp.Set(
      absl::ToDoubleSeconds(clock_->Now() - absl::UnixEpoch()));
}

absl::Status PreferenceStore::CommitRequests(
    absl::Span<AppendRequest* const> requests) {
  std::vector<std::string> ids;
  for (const AppendRequest* const request : requests) {
    for (const v1::Comparison& comparison : request->comparisons) {
      ids.push_back(comparison.comparison_id());
    }
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                        table_->Find(ids));
  const LogPosition base = Position();
  std::vector<v1::Comparison> stored;
  for (const ComparisonRow& row : rows) {
    if (row.seq > base.num_comparisons) {
      return absl::AbortedError(
          absl::StrCat(table_->name(),
                       ": a commit whose fate was not known "
                       "has been made"));
    }
    RLHF_ASSIGN_OR_RETURN(stored.emplace_back(),
                          DecodeRow(row, table_->name()));
  }
  AppendPlan plan(base, stored, NowMs());
  for (AppendRequest* const request : requests) {
    request->result = plan.Add(request->comparisons);
  }
  if (plan.rows().empty()) return absl::OkStatus();
  const absl::Status committed =
      table_->Commit({.base = base, .appended = plan.rows()});
  if (!committed.ok()) {
    // What was refused for a comparison of this group, which is not stored now,
    // is not refused: each is held against the log alone.
    for (AppendRequest* const request : requests) {
      request->result =
          AppendPlan(base, stored, NowMs()).Add(request->comparisons);
    }
    return committed;
  }
  MutexLock lock(&stats_mutex_);
  plan.CountInto(stats_);
  metrics_->comparisons_stored.Set(static_cast<double>(stats_.num_comparisons));
  return absl::OkStatus();
}

absl::Status PreferenceStore::ReloadAfter(const absl::Status& status) {
  RLHF_LOG(WARNING) << status.message() << "; reading the log again";
  const LogPosition known = Position();
  RLHF_ASSIGN_OR_RETURN(Stats stats, VerifyLog(*table_, &known));
  Publish(std::move(stats));
  return absl::OkStatus();
}

void PreferenceStore::Publish(Stats stats) {
  metrics_->comparisons_stored.Set(static_cast<double>(stats.num_comparisons));
  MutexLock lock(&stats_mutex_);
  stats_ = std::move(stats);
}

PreferenceStore::Stats PreferenceStore::GetStats() const {
  MutexLock lock(&stats_mutex_);
  return stats_;
}

PreferenceStore::Totals PreferenceStore::GetTotals() const {
  MutexLock lock(&stats_mutex_);
  return {.num_comparisons = stats_.num_comparisons,
          .num_decided = stats_.num_decided,
          .num_workers = static_cast<int64_t>(stats_.num_by_worker.size()),
          .num_retracted = stats_.num_retracted,
          .num_tombstones = stats_.num_tombstones,
          .num_replaced = stats_.num_replaced,
          .chain_head = stats_.chain_head};
}

int64_t PreferenceStore::NumOfWorker(const std::string& worker_id) const {
  MutexLock lock(&stats_mutex_);
  const auto found = stats_.num_by_worker.find(worker_id);
  return found == stats_.num_by_worker.end() ? 0 : found->second;
}

LogPosition PreferenceStore::Position() const {
  MutexLock lock(&stats_mutex_);
  return stats_.position();
}

absl::StatusOr<std::vector<v1::Comparison>> PreferenceStore::Read(
    int64_t first_seq, int64_t last_seq) const {
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                        table_->Read(first_seq, last_seq));
  std::vector<v1::Comparison> result;
  for (const ComparisonRow& row : rows) {
    RLHF_ASSIGN_OR_RETURN(result.emplace_back(),
                          DecodeRow(row, table_->name()));
  }
  return result;
}

absl::Status PreferenceStore::ForEach(
    int64_t first_seq, int64_t last_seq,
    const std::function<absl::Status(const v1::Comparison&)>& take) const {
  return ForEachComparison(
      first_seq, last_seq,
      [this](int64_t first, int64_t last) { return Read(first, last); }, take);
}

absl::StatusOr<std::optional<v1::Comparison>> PreferenceStore::Find(
    const std::string& comparison_id) const {
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                        table_->Find({comparison_id}));
  if (rows.empty()) return std::nullopt;
  RLHF_ASSIGN_OR_RETURN(v1::Comparison comparison,
                        DecodeRow(rows.front(), table_->name()));
  return comparison;
}

absl::Status PreferenceStore::CheckTakesChanges() {
  MutexLock lock(&table_mutex_);
  const absl::Status status = table_->Commit({.base = Position()});
  return absl::IsAborted(status) ? ReloadAfter(status) : status;
}

absl::Status PreferenceStore::VerifyChain() const {
  MutexLock lock(&table_mutex_);
  const Stats stats = GetStats();
  const LogPosition known = stats.position();
  RLHF_ASSIGN_OR_RETURN(const Stats replayed, VerifyLog(*table_, &known));
  if (replayed.chain_head != stats.chain_head ||
      replayed.retraction_head != stats.retraction_head) {
    return absl::DataLossError(
        absl::StrCat(table_->name(), ": the log ends at comparison ",
                     replayed.num_comparisons, " and retraction ",
                     replayed.num_retracted, ", but ", stats.num_comparisons,
                     " and ", stats.num_retracted, " were acknowledged"));
  }
  return absl::OkStatus();
}

absl::Status PreferenceStore::Backup(const std::string& path) const {
  MutexLock lock(&table_mutex_);
  return table_->BackupTo(path);
}

}  // namespace rlhf
