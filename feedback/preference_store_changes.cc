// What the preference store takes back, and replaces.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "feedback/comparison_chain.h"
#include "feedback/preference_store.h"

namespace rlhf {
namespace {

// Rows read at once.
constexpr int64_t kPageRows = 500;

int NumKinds(const PreferenceStore::Selection& selection) {
  return (selection.comparison_ids.empty() ? 0 : 1) +
         (selection.worker_id.empty() ? 0 : 1) +
         (selection.batch_id.empty() ? 0 : 1);
}

// `may_be_none`: other things change.
absl::Status CheckSelection(const PreferenceStore::Selection& selection,
                            bool may_be_none, const std::string& reason,
                            const std::string& who) {
  const int num_kinds = NumKinds(selection);
  if (num_kinds > 1 || (num_kinds == 0 && !may_be_none)) {
    return absl::InvalidArgumentError(
        absl::StrCat(num_kinds,
                     " kinds of what to retract are given; wanted one of "
                     "comparisons, a worker or a batch"));
  }
  if (reason.empty() || who.empty()) {
    return absl::InvalidArgumentError(
        "a retraction wants a reason and the name of who retracts");
  }
  return absl::OkStatus();
}

// Those of `ids` that no row has.
std::set<std::string> IdsWithoutRow(absl::Span<const std::string> ids,
                                    const std::vector<ComparisonRow>& rows) {
  std::set<std::string> missing(ids.begin(), ids.end());
  for (const ComparisonRow& row : rows) missing.erase(row.comparison_id);
  return missing;
}

absl::Status NameMissing(const std::vector<std::string>& ids,
                         const std::vector<ComparisonRow>& rows,
                         const PreferenceStore& store) {
  for (const std::string& id : IdsWithoutRow(ids, rows)) {
    if (!store.IsRetractedComparison(id)) {
      return absl::NotFoundError(absl::StrCat(
          "there is no comparison \"", id, "\" in the log; nothing changed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PreferenceStore::Retracted> PreferenceStore::Retract(
    const Selection& selection, const std::string& reason,
    const std::string& who, std::vector<StoredBatch> batches,
    std::vector<std::string> waited) {
  RLHF_RETURN_IF_ERROR(
      CheckSelection(selection, /*may_be_none=*/!batches.empty(), reason, who));
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                        Select(selection));
  RLHF_ASSIGN_OR_RETURN(const std::set<std::string> waited_digests,
                        DigestsToRemember(waited));
  TableChange change;
  RLHF_RETURN_IF_ERROR(ChangeBatches(std::move(batches), change));
  RLHF_RETURN_IF_ERROR(RefuseWaiting(selection.batch_id, change));
  const RetractionReason why = {
      .reason = reason,
      .who = who,
      .now_unix_ms = NowMs(),
      .worker_digest =
          selection.worker_id.empty() ? "" : Sha256Hex(selection.worker_id),
      .batch_id = selection.batch_id};
  absl::StatusOr<Retracted> result =
      RetractRows(rows, waited_digests, why, change);
  if (absl::IsAborted(result.status())) {
    RLHF_RETURN_IF_ERROR(ReloadAfter(result.status()));
    RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> again,
                          Select(selection));
    result = RetractRows(again, waited_digests, why, change);
  }
  if (!result.ok()) return result;
  // Those that only waited when they were retracted, which have no row.
  result->num_retracted_before += static_cast<int64_t>(
      IdsWithoutRow(selection.comparison_ids, rows).size());
  return result;
}

absl::StatusOr<std::set<std::string>> PreferenceStore::DigestsToRemember(
    absl::Span<const std::string> waited) const {
  std::set<std::string> digests;
  if (waited.empty()) return digests;
  RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                        table_->Find(waited));
  for (const std::string& id : IdsWithoutRow(waited, rows)) {
    digests.insert(Sha256Hex(id));
  }
  return digests;
}

absl::StatusOr<std::vector<ComparisonRow>> PreferenceStore::Select(
    const Selection& selection) const {
  std::vector<ComparisonRow> rows;
  if (NumKinds(selection) == 0) return rows;
  if (!selection.comparison_ids.empty()) {
    RLHF_ASSIGN_OR_RETURN(rows, table_->Find(selection.comparison_ids));
    RLHF_RETURN_IF_ERROR(NameMissing(selection.comparison_ids, rows, *this));
    std::sort(rows.begin(), rows.end(),
              [](const auto& a, const auto& b) { return a.seq < b.seq; });
    rows.erase(std::unique(
                   rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.seq == b.seq; }),
               rows.end());
    return rows;
  }
  const int64_t num_comparisons = GetTotals().num_comparisons;
  for (int64_t seq = 1; seq <= num_comparisons; seq += kPageRows) {
    RLHF_ASSIGN_OR_RETURN(std::vector<ComparisonRow> page,
                          table_->Read(seq, seq + kPageRows - 1));
    for (ComparisonRow& row : page) {
      RLHF_ASSIGN_OR_RETURN(const v1::Comparison comparison,
                            DecodeRow(row, table_->name()));
      const bool selected = selection.batch_id.empty()
                                ? comparison.worker_id() == selection.worker_id
                                : comparison.batch_id() == selection.batch_id;
      if (selected) rows.push_back(std::move(row));
    }
  }
  return rows;
}

absl::Status PreferenceStore::ChangeBatches(std::vector<StoredBatch> batches,
                                            TableChange& change) const {
  for (StoredBatch& batch : batches) {
    RLHF_ASSIGN_OR_RETURN(const StoredBatch stored,
                          MustGetBatch(batch.batch_id));
    const bool waited = stored.state == BatchState::kQuarantined;
    const bool is_refused = waited && batch.state == BatchState::kRefused;
    if (batch.state != stored.state && !is_refused) {
      return absl::FailedPreconditionError(absl::StrCat(
          "batch \"", batch.batch_id, "\" is ", BatchStateName(stored.state),
          " and cannot become ", BatchStateName(batch.state),
          " by a retraction; nothing changed"));
    }
    if (batch.state != BatchState::kQuarantined) batch.payload.clear();
    change.batches.push_back(std::move(batch));
  }
  return absl::OkStatus();
}

absl::Status PreferenceStore::RefuseWaiting(const std::string& batch_id,
                                            TableChange& change) const {
  const bool is_told = std::any_of(
      change.batches.begin(), change.batches.end(),
      [&](const StoredBatch& batch) { return batch.batch_id == batch_id; });
  if (batch_id.empty() || is_told) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(std::optional<StoredBatch> batch,
                        table_->GetBatch(batch_id));
  if (!batch.has_value() || batch->state != BatchState::kQuarantined) {
    return absl::OkStatus();
  }
  batch->state = BatchState::kRefused;
  batch->payload.clear();
  change.batches.push_back(*std::move(batch));
  return absl::OkStatus();
}

absl::StatusOr<PreferenceStore::Retracted> PreferenceStore::RetractRows(
    const std::vector<ComparisonRow>& rows,
    const std::set<std::string>& waited_digests, RetractionReason why,
    TableChange change) {
  Stats stats = GetStats();
  change.base = stats.position();
  Retracted result;
  for (const ComparisonRow& row : rows) {
    RLHF_ASSIGN_OR_RETURN(const v1::Comparison comparison,
                          DecodeRow(row, table_->name()));
    if (comparison.choice() == v1::RETRACTED) {
      ++result.num_retracted_before;
      continue;
    }
    PlanRetraction(row, comparison, why, change, stats);
    result.seqs.push_back(row.seq);
  }
  for (const std::string& digest : waited_digests) {
    if (stats.retracted_comparisons.contains(digest)) continue;
    why.comparison_digest = digest;
    PlanBareRetraction(why, change, stats);
  }
  const bool is_whole = !why.worker_digest.empty() || !why.batch_id.empty();
  if (change.retractions.empty() && is_whole &&
      !stats.retracted_workers.contains(why.worker_digest) &&
      !stats.retracted_batches.contains(why.batch_id)) {
    PlanBareRetraction(why, change, stats);
  }
  if (!change.retractions.empty() || !change.batches.empty()) {
    // Also after an error, which may have come after the change.
    has_traces_ = true;
    RLHF_RETURN_IF_ERROR(table_->Commit(change));
    Publish(std::move(stats));
  }
  // Also when all was retracted before: the last attempt may have ended here.
  RLHF_RETURN_IF_ERROR(EraseTracesLeft());
  return result;
}

absl::StatusOr<int64_t> PreferenceStore::Replace(
    absl::Span<const Replacement> replacements) {
  if (replacements.empty()) return 0;
  MutexLock lock(&table_mutex_);
  const absl::StatusOr<int64_t> replaced = ReplaceRows(replacements);
  if (!absl::IsAborted(replaced.status())) return replaced;
  RLHF_RETURN_IF_ERROR(ReloadAfter(replaced.status()));
  return ReplaceRows(replacements);
}

absl::StatusOr<int64_t> PreferenceStore::ReplaceRows(
    absl::Span<const Replacement> replacements) {
  Stats stats = GetStats();
  TableChange change = {.base = stats.position()};
  std::set<int64_t> ended;
  for (const Replacement& one : replacements) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<ComparisonRow> rows,
                          table_->Read(one.seq, one.seq));
    if (rows.empty()) {
      return absl::NotFoundError(
          absl::StrCat("there is no comparison ", one.seq,
                       " in the log; nothing was replaced"));
    }
    RLHF_ASSIGN_OR_RETURN(const v1::Comparison comparison,
                          DecodeRow(rows.front(), table_->name()));
    if (comparison.choice() == v1::RETRACTED || !ended.insert(one.seq).second) {
      continue;
    }
    PlanRetraction(rows.front(), comparison,
                   {.reason = "answered anew by the same person",
                    .who = "the labelling tool",
                    .now_unix_ms = NowMs(),
                    .replaced_by = one.by},
                   change, stats);
  }
  if (ended.empty()) return 0;
  RLHF_RETURN_IF_ERROR(table_->Commit(change));
  Publish(std::move(stats));
  return static_cast<int64_t>(ended.size());
}

absl::StatusOr<std::vector<v1::Retraction>> PreferenceStore::ReadRetractions(
    int64_t first_number, int64_t last_number) const {
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<RetractionRow> rows,
                        table_->ReadRetractions(first_number, last_number));
  std::vector<v1::Retraction> result;
  for (const RetractionRow& row : rows) {
    RLHF_ASSIGN_OR_RETURN(result.emplace_back(),
                          DecodeRow(row, table_->name()));
  }
  return result;
}

absl::StatusOr<std::optional<v1::Retraction>>
PreferenceStore::RetractionOfBatch(const std::string& batch_id) const {
  int64_t number = 0;
  {
    MutexLock lock(&stats_mutex_);
    const auto found = stats_.retracted_batches.find(batch_id);
    if (found == stats_.retracted_batches.end()) return std::nullopt;
    number = found->second;
  }
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Retraction> found,
                        ReadRetractions(number, number));
  if (found.empty()) {
    return absl::DataLossError(
        absl::StrCat("retraction ", number, " is not in the log any more"));
  }
  return std::move(found.front());
}

int64_t PreferenceStore::NumRetractedOfBatch(
    const std::string& batch_id) const {
  MutexLock lock(&stats_mutex_);
  const auto found = stats_.tombstones_by_batch.find(batch_id);
  return found == stats_.tombstones_by_batch.end() ? 0 : found->second;
}

bool PreferenceStore::IsRetractedWorker(const std::string& worker_id) const {
  MutexLock lock(&stats_mutex_);
  // Most runs have retracted nobody: they hash nothing.
  return !stats_.retracted_workers.empty() &&
         stats_.retracted_workers.contains(Sha256Hex(worker_id));
}

bool PreferenceStore::IsRetractedComparison(
    const std::string& comparison_id) const {
  MutexLock lock(&stats_mutex_);
  return !stats_.retracted_comparisons.empty() &&
         stats_.retracted_comparisons.contains(Sha256Hex(comparison_id));
}

}  // namespace rlhf
