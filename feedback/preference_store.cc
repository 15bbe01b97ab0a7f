#include "feedback/preference_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

// "rlhf" as a number: tells our files from other SQLite databases.
constexpr int64_t kApplicationId = 0x726c6866;
constexpr int64_t kSchemaVersion = 1;

constexpr char kSchema[] =
    "CREATE TABLE comparisons("
    "  seq INTEGER PRIMARY KEY,"
    "  comparison_id TEXT NOT NULL UNIQUE,"
    "  bytes BLOB NOT NULL,"
    "  chain TEXT NOT NULL"
    ") STRICT";

std::string ChainStart() { return std::string(64, '0'); }

absl::StatusOr<v1::Comparison> Decode(const std::string& bytes, int64_t seq,
                                      const std::string& path) {
  v1::Comparison comparison;
  if (!comparison.ParseFromString(bytes) || comparison.seq() != seq) {
    return absl::DataLossError(
        absl::StrCat(path, ": comparison ", seq, " cannot be read"));
  }
  return comparison;
}

// What the client sent, without what the store set and without what an import
// made of its file's name: a copy under another name is no other comparison.
std::string ContentOf(v1::Comparison comparison) {
  comparison.clear_seq();
  comparison.clear_committed_unix_ms();
  if (absl::StartsWith(comparison.source(), "import:")) {
    if (comparison.worker_id() == comparison.source()) {
      comparison.clear_worker_id();
    }
    comparison.clear_source();
  }
  return comparison.SerializeAsString();
}

// Makes an empty store appear whole, so that an empty or half-made file under
// `path` is always damage and never a store that is still to be filled.
absl::Status CreateFile(const std::string& path) {
  if (FileExists(path + "-wal")) {
    return absl::DataLossError(absl::StrCat(
        path, " is missing, but its journal ", path, "-wal is there"));
  }
  const std::string temporary = path + ".new";
  RLHF_RETURN_IF_ERROR(RemoveAll(temporary));
  {
    RLHF_ASSIGN_OR_RETURN(SqliteDatabase database,
                          SqliteDatabase::Open(temporary));
    RLHF_RETURN_IF_ERROR(database.Execute(
        absl::StrCat("PRAGMA application_id=", kApplicationId,
                     "; PRAGMA user_version=", kSchemaVersion, ";", kSchema)));
  }
  RLHF_RETURN_IF_ERROR(SyncPath(temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, "renaming", temporary);
  }
  const size_t slash = path.rfind('/');
  return SyncPath(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

absl::Status RefuseFile(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat(
      status.message(),
      "; the file is left as it is: restore a backup, or move it away"));
}

}  // namespace

PreferenceStore::PreferenceStore(ProcessLock lock, SqliteDatabase database,
                                 std::string path, const Clock* clock,
                                 FeedbackMetrics* metrics)
    : lock_(std::move(lock)),
      path_(std::move(path)),
      clock_(clock),
      metrics_(metrics),
      database_(std::move(database)) {}

absl::StatusOr<std::unique_ptr<PreferenceStore>> PreferenceStore::Open(
    const std::string& path, const Clock* clock, FeedbackMetrics* metrics) {
  RLHF_ASSIGN_OR_RETURN(ProcessLock lock, ProcessLock::Acquire(path + ".lock"));
  if (!FileExists(path)) {
    RLHF_RETURN_IF_ERROR(RefuseFile(CreateFile(path)));
  }
  RLHF_ASSIGN_OR_RETURN(SqliteDatabase database, SqliteDatabase::Open(path));
  std::unique_ptr<PreferenceStore> store(new PreferenceStore(
      std::move(lock), std::move(database), path, clock, metrics));
  MutexLock hold(&store->mutex_);
  RLHF_RETURN_IF_ERROR(RefuseFile(store->Prepare()));
  return store;
}

absl::Status PreferenceStore::Prepare() {
  RLHF_RETURN_IF_ERROR(
      database_.Execute("PRAGMA locking_mode=EXCLUSIVE;"
                        "PRAGMA trusted_schema=OFF;"));
  RLHF_RETURN_IF_ERROR(CheckFile());
  RLHF_RETURN_IF_ERROR(
      database_.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  RLHF_ASSIGN_OR_RETURN(stats_, ReplayLog());
  metrics_->comparisons_stored.Set(static_cast<double>(stats_.num_comparisons));
  return absl::OkStatus();
}

absl::Status PreferenceStore::CheckFile() {
  RLHF_ASSIGN_OR_RETURN(const int64_t application,
                        database_.QueryInt("PRAGMA application_id"));
  RLHF_ASSIGN_OR_RETURN(const int64_t version,
                        database_.QueryInt("PRAGMA user_version"));
  if (application != kApplicationId || version != kSchemaVersion) {
    return absl::DataLossError(absl::StrCat(
        path_, " is no preference store of this version (application id ",
        application, ", schema ", version, "; wanted ", kApplicationId, ", ",
        kSchemaVersion, ")"));
  }
  RLHF_ASSIGN_OR_RETURN(const std::string integrity,
                        database_.QueryText("PRAGMA integrity_check(1)"));
  if (integrity != "ok") {
    return absl::DataLossError(absl::StrCat(path_, ": ", integrity));
  }
  return absl::OkStatus();
}

absl::StatusOr<PreferenceStore::Stats> PreferenceStore::ReplayLog() const {
  Stats stats;
  stats.chain_head = ChainStart();
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database_.Prepare("SELECT seq, bytes, chain FROM comparisons "
                        "ORDER BY seq"));
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return stats;
    const int64_t seq = rows.Int(0);
    const std::string bytes = rows.Bytes(1);
    const std::string chain = Sha256Hex(stats.chain_head + bytes);
    if (seq != stats.num_comparisons + 1 || chain != rows.Bytes(2)) {
      return absl::DataLossError(
          absl::StrCat(path_, ": the hash chain breaks at comparison ",
                       stats.num_comparisons + 1,
                       ": the log was changed after it was written"));
    }
    RLHF_ASSIGN_OR_RETURN(const v1::Comparison comparison,
                          Decode(bytes, seq, path_));
    Count(comparison, chain, stats);
  }
}

void PreferenceStore::Count(const v1::Comparison& comparison,
                            const std::string& chain, Stats& stats) const {
  ++stats.num_comparisons;
  if (IsTrainable(comparison)) {
    ++stats.num_decided;
  }
  ++stats.num_by_worker[comparison.worker_id()];
  stats.chain_head = chain;
}

absl::StatusOr<std::optional<v1::Comparison>> PreferenceStore::FindLocked(
    const std::string& comparison_id) const {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement row,
      database_.Prepare(
          "SELECT seq, bytes FROM comparisons WHERE comparison_id = ?"));
  row.BindText(1, comparison_id);
  RLHF_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  RLHF_ASSIGN_OR_RETURN(v1::Comparison comparison,
                        Decode(row.Bytes(1), row.Int(0), path_));
  return comparison;
}

absl::Status PreferenceStore::Insert(const v1::Comparison& comparison,
                                     const std::string& bytes,
                                     const std::string& chain) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare("INSERT INTO comparisons VALUES (?, ?, ?, ?)"));
  insert.BindInt(1, comparison.seq());
  insert.BindText(2, comparison.comparison_id());
  insert.BindBlob(3, bytes);
  insert.BindText(4, chain);
  return insert.Step().status();
}

absl::StatusOr<PreferenceStore::Appended> PreferenceStore::AppendOne(
    v1::Comparison comparison, Stats& stats) {
  if (comparison.comparison_id().empty()) {
    return absl::InvalidArgumentError("comparison_id is empty");
  }
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                        FindLocked(comparison.comparison_id()));
  if (stored.has_value()) {
    if (ContentOf(*stored) != ContentOf(comparison)) {
      return absl::AlreadyExistsError(
          absl::StrCat("comparison_id \"", comparison.comparison_id(),
                       "\" was saved before with another content (seq ",
                       stored->seq(), "): make a new id for a new comparison"));
    }
    return Appended{.seq = stored->seq(), .duplicate = true};
  }
  comparison.set_seq(stats.num_comparisons + 1);
  comparison.set_committed_unix_ms(absl::ToUnixMillis(clock_->Now()));
  const std::string bytes = comparison.SerializeAsString();
  const std::string chain = Sha256Hex(stats.chain_head + bytes);
  RLHF_RETURN_IF_ERROR(Insert(comparison, bytes, chain));
  Count(comparison, chain, stats);
  return Appended{.seq = comparison.seq(), .duplicate = false};
}

absl::StatusOr<std::vector<PreferenceStore::Appended>> PreferenceStore::Commit(
    absl::Span<const v1::Comparison> comparisons) {
  RLHF_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                        SqliteTransaction::Begin(&database_));
  Stats stats = stats_;
  std::vector<Appended> result;
  for (const v1::Comparison& comparison : comparisons) {
    RLHF_ASSIGN_OR_RETURN(result.emplace_back(), AppendOne(comparison, stats));
  }
  RLHF_RETURN_IF_ERROR(transaction.Commit());
  stats_ = std::move(stats);
  return result;
}

absl::StatusOr<std::vector<PreferenceStore::Appended>>
PreferenceStore::AppendAll(absl::Span<const v1::Comparison> comparisons) {
  MutexLock lock(&mutex_);
  const Stopwatch watch;
  auto result = Commit(comparisons);
  if (!result.ok()) {
    if (!absl::IsAlreadyExists(result.status()) &&
        !absl::IsInvalidArgument(result.status())) {
      metrics_->store_errors.Of(result.status().code()).Increment();
      RLHF_LOG(ERROR) << "comparisons not saved: " << result.status();
    }
    return result;
  }
  const auto num_duplicates = std::count_if(
      result->begin(), result->end(),
      [](const Appended& appended) { return appended.duplicate; });
  metrics_->comparisons_duplicate.Increment(num_duplicates);
  metrics_->comparisons_accepted.Increment(result->size() - num_duplicates);
  metrics_->comparisons_stored.Set(static_cast<double>(stats_.num_comparisons));
  metrics_->store_commit_duration.Observe(watch.seconds());
  metrics_->last_comparison_timestamp.Set(
      absl::ToDoubleSeconds(clock_->Now() - absl::UnixEpoch()));
  return result;
}

absl::StatusOr<PreferenceStore::Appended> PreferenceStore::Append(
    const v1::Comparison& comparison) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Appended> appended,
                        AppendAll(absl::MakeConstSpan(&comparison, 1)));
  return appended.front();
}

absl::StatusOr<std::vector<v1::Comparison>> PreferenceStore::Read(
    int64_t first_seq, int64_t last_seq) const {
  MutexLock lock(&mutex_);
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database_.Prepare("SELECT seq, bytes FROM comparisons "
                        "WHERE seq BETWEEN ? AND ? ORDER BY seq"));
  rows.BindInt(1, first_seq);
  rows.BindInt(2, last_seq);
  std::vector<v1::Comparison> result;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return result;
    RLHF_ASSIGN_OR_RETURN(result.emplace_back(),
                          Decode(rows.Bytes(1), rows.Int(0), path_));
  }
}

absl::StatusOr<std::optional<v1::Comparison>> PreferenceStore::Find(
    const std::string& comparison_id) const {
  MutexLock lock(&mutex_);
  return FindLocked(comparison_id);
}

PreferenceStore::Stats PreferenceStore::GetStats() const {
  MutexLock lock(&mutex_);
  return stats_;
}

absl::Status PreferenceStore::VerifyChain() const {
  MutexLock lock(&mutex_);
  RLHF_ASSIGN_OR_RETURN(const Stats replayed, ReplayLog());
  if (replayed.chain_head != stats_.chain_head) {
    return absl::DataLossError(absl::StrCat(
        path_, ": the log ends at comparison ", replayed.num_comparisons,
        ", but ", stats_.num_comparisons, " were acknowledged"));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
