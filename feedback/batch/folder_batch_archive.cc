#include "feedback/batch/folder_batch_archive.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr absl::string_view kEnding = ".json";
constexpr size_t kMaxIdBytes = 64;

// Ids come from requests and name files.
absl::Status CheckId(const std::string& id) {
  if (id.empty()) return absl::InvalidArgumentError("batch_id is empty");
  const bool fine = id.size() <= kMaxIdBytes &&
                    std::all_of(id.begin(), id.end(), [](unsigned char c) {
                      return absl::ascii_isalnum(c) || c == '-' || c == '_';
                    });
  if (fine) return absl::OkStatus();
  return absl::NotFoundError("there is no batch of that name");
}

absl::Status NoBatch(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no batch ", id));
}

std::string ToJson(const Batch& batch) {
  return DumpJson({{"batch_id", batch.batch_id},
                   {"source", batch.source},
                   {"received_unix_ms", batch.received_unix_ms},
                   {"state", static_cast<int>(batch.state)},
                   {"report", batch.report},
                   {"payload", batch.payload}});
}

absl::StatusOr<Batch> FromJson(const std::string& text) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  Batch batch;
  RLHF_ASSIGN_OR_RETURN(batch.batch_id, GetString(json, "batch_id"));
  RLHF_ASSIGN_OR_RETURN(batch.source, GetString(json, "source"));
  RLHF_ASSIGN_OR_RETURN(batch.report, GetString(json, "report"));
  RLHF_ASSIGN_OR_RETURN(batch.payload, GetString(json, "payload"));
  const Json received = json.value("received_unix_ms", Json());
  const Json state = json.value("state", Json());
  if (!received.is_number_integer() || !state.is_number_integer() ||
      state < 1 || state > 4) {
    return absl::InvalidArgumentError("no state or time of a batch");
  }
  batch.received_unix_ms = received.get<int64_t>();
  batch.state = static_cast<BatchState>(state.get<int>());
  return batch;
}

}  // namespace

std::string FolderBatchArchive::PathOf(const std::string& batch_id) const {
  return absl::StrCat(folder_, "/", batch_id, kEnding);
}

absl::StatusOr<Batch> FolderBatchArchive::Read(
    const std::string& batch_id) const {
  RLHF_RETURN_IF_ERROR(CheckId(batch_id));
  const std::string path = PathOf(batch_id);
  const auto text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return NoBatch(batch_id);
  RLHF_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Batch> batch = FromJson(*text);
  if (!batch.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, " is no batch: ", batch.status().message()));
  }
  return batch;
}

absl::Status FolderBatchArchive::Write(const Batch& batch) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder_));
  return WriteFileAtomically(PathOf(batch.batch_id), ToJson(batch));
}

absl::Status FolderBatchArchive::AddBatch(const Batch& batch) {
  RLHF_RETURN_IF_ERROR(CheckId(batch.batch_id));
  MutexLock lock(&mutex_);
  const auto known = Read(batch.batch_id);
  if (known.ok()) {
    if (known->state == batch.state) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("batch ", batch.batch_id, " is there in another state"));
  }
  if (!absl::IsNotFound(known.status())) return known.status();
  Batch kept = batch;
  if (batch.state != BatchState::kQuarantined) kept.payload.clear();
  return Write(kept);
}

absl::Status FolderBatchArchive::DecideBatch(const std::string& batch_id,
                                             BatchState state,
                                             const std::string& report) {
  MutexLock lock(&mutex_);
  RLHF_ASSIGN_OR_RETURN(Batch batch, Read(batch_id));
  if (batch.state == state) return absl::OkStatus();
  const bool decides =
      state == BatchState::kReleased || state == BatchState::kRefused;
  if (batch.state != BatchState::kQuarantined || !decides) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch ", batch_id, " is not in quarantine"));
  }
  batch.state = state;
  batch.report = report;
  batch.payload.clear();
  return Write(batch);
}

absl::StatusOr<std::vector<Batch>> FolderBatchArchive::ListBatches() const {
  MutexLock lock(&mutex_);
  std::vector<Batch> batches;
  for (const std::string& name : ListDirectory(folder_)) {
    if (!absl::EndsWith(name, kEnding)) continue;
    RLHF_ASSIGN_OR_RETURN(batches.emplace_back(),
                          Read(name.substr(0, name.size() - kEnding.size())));
    batches.back().payload.clear();
  }
  std::stable_sort(batches.begin(), batches.end(),
                   [](const Batch& a, const Batch& b) {
                     return a.received_unix_ms > b.received_unix_ms;
                   });
  return batches;
}

absl::StatusOr<Batch> FolderBatchArchive::GetBatch(
    const std::string& batch_id) const {
  MutexLock lock(&mutex_);
  return Read(batch_id);
}

}  // namespace rlhf
