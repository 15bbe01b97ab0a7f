// The batches of the preference store.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "feedback/preference_store.h"

namespace rlhf {
namespace {

bool IsSame(const StoredBatch& a, const StoredBatch& b) {
  return a.source == b.source && a.state == b.state && a.payload == b.payload;
}

}  // namespace

absl::Status PreferenceStore::PutBatch(StoredBatch batch) {
  const auto put = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_) {
    return table_->Commit({.base = Position(), .batches = {batch}});
  };
  const absl::Status status = put();
  if (!absl::IsAborted(status)) return status;
  RLHF_RETURN_IF_ERROR(ReloadAfter(status));
  return put();
}

absl::Status PreferenceStore::AddBatch(const StoredBatch& batch) {
  if (batch.batch_id.empty()) {
    return absl::InvalidArgumentError("batch_id is empty");
  }
  StoredBatch added = batch;
  if (added.state != BatchState::kQuarantined) added.payload.clear();
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::optional<StoredBatch> stored,
                        table_->GetBatch(batch.batch_id));
  if (!stored.has_value()) return PutBatch(std::move(added));
  if (IsSame(*stored, added)) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("batch \"", batch.batch_id,
                   "\" was written down before, with another source, payload "
                   "or state: make a new id for a new batch"));
}

absl::StatusOr<StoredBatch> PreferenceStore::MustGetBatch(
    const std::string& batch_id) const {
  RLHF_ASSIGN_OR_RETURN(std::optional<StoredBatch> batch,
                        table_->GetBatch(batch_id));
  if (batch.has_value()) return *std::move(batch);
  return absl::NotFoundError(
      absl::StrCat("there is no batch \"", batch_id, "\""));
}

absl::Status PreferenceStore::SetBatchState(const std::string& batch_id,
                                            BatchState state,
                                            const std::string& report) {
  MutexLock lock(&table_mutex_);
  RLHF_ASSIGN_OR_RETURN(StoredBatch batch, MustGetBatch(batch_id));
  // The last attempt may have ended before its traces were erased.
  if (batch.state == state) return EraseTracesLeft();
  const bool is_end =
      state == BatchState::kReleased || state == BatchState::kRefused;
  if (batch.state != BatchState::kQuarantined || !is_end) {
    return absl::FailedPreconditionError(absl::StrCat(
        "batch \"", batch_id, "\" is ", BatchStateName(batch.state),
        " and cannot become ", BatchStateName(state),
        "; only a quarantined one can be released or refused"));
  }
  batch.state = state;
  batch.report = report;
  batch.payload.clear();
  has_traces_ = true;
  RLHF_RETURN_IF_ERROR(PutBatch(std::move(batch)));
  return EraseTracesLeft();
}

absl::StatusOr<std::vector<StoredBatch>> PreferenceStore::ListBatches(
    int64_t limit, const std::string& before) const {
  MutexLock lock(&table_mutex_);
  if (before.empty()) return table_->ListBatches({}, limit);
  RLHF_ASSIGN_OR_RETURN(const StoredBatch batch, MustGetBatch(before));
  return table_->ListBatches(
      {.received_unix_ms = batch.received_unix_ms, .batch_id = batch.batch_id},
      limit);
}

absl::StatusOr<StoredBatch> PreferenceStore::GetBatch(
    const std::string& batch_id) const {
  MutexLock lock(&table_mutex_);
  return MustGetBatch(batch_id);
}

}  // namespace rlhf
