#include "feedback/sqlite_table.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/sqlite_schema.h"
#include "feedback/verify_log.h"

namespace rlhf {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(errno, "rename", from);
  }
  return SyncPath(FolderOf(to));
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
    RLHF_RETURN_IF_ERROR(CreateStoreTables(database));
  }
  RLHF_RETURN_IF_ERROR(SyncPath(temporary));
  return Rename(temporary, path);
}

ComparisonRow ComparisonOf(const SqliteStatement& row) {
  return {.seq = row.Int(0),
          .comparison_id = row.Bytes(1),
          .bytes = row.Bytes(2),
          .digest = row.Bytes(3),
          .chain = row.Bytes(4)};
}

// Without the payload.
StoredBatch BatchOf(const SqliteStatement& row) {
  return {.batch_id = row.Bytes(0),
          .source = row.Bytes(1),
          .received_unix_ms = row.Int(2),
          .state = static_cast<BatchState>(row.Int(3)),
          .report = row.Bytes(4)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteTable>> SqliteTable::Open(
    const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(ProcessLock lock, ProcessLock::Acquire(path + ".lock"));
  if (!FileExists(path)) RLHF_RETURN_IF_ERROR(CreateFile(path));
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<SqliteTable> table, OpenUnlocked(path));
  table->lock_.emplace(std::move(lock));
  return table;
}

absl::StatusOr<std::unique_ptr<SqliteTable>> SqliteTable::OpenUnlocked(
    const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(SqliteDatabase database, SqliteDatabase::Open(path));
  std::unique_ptr<SqliteTable> table(
      new SqliteTable(std::move(database), path));
  RLHF_RETURN_IF_ERROR(table->Prepare());
  return table;
}

absl::Status SqliteTable::Prepare() {
  RLHF_RETURN_IF_ERROR(
      database_.Execute("PRAGMA locking_mode=EXCLUSIVE;"
                        "PRAGMA trusted_schema=OFF;"));
  RLHF_RETURN_IF_ERROR(CheckFile());
  RLHF_RETURN_IF_ERROR(
      database_.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  RLHF_ASSIGN_OR_RETURN(const int64_t version,
                        database_.QueryInt("PRAGMA user_version"));
  if (version == 1) {
    RLHF_RETURN_IF_ERROR(MigrateFromSchema1(database_, path_));
  }
  // What a retraction removes is overwritten.
  return database_.Execute("PRAGMA secure_delete=ON");
}

absl::Status SqliteTable::CheckFile() {
  RLHF_ASSIGN_OR_RETURN(const int64_t application,
                        database_.QueryInt("PRAGMA application_id"));
  RLHF_ASSIGN_OR_RETURN(const int64_t version,
                        database_.QueryInt("PRAGMA user_version"));
  if (application != kStoreApplicationId || version < 1 ||
      version > kStoreSchemaVersion) {
    return absl::DataLossError(absl::StrCat(
        path_, " is no preference store of this version (application id ",
        application, ", schema ", version, "; wanted ", kStoreApplicationId,
        ", 1 to ", kStoreSchemaVersion, ")"));
  }
  RLHF_ASSIGN_OR_RETURN(const std::string integrity,
                        database_.QueryText("PRAGMA integrity_check(1)"));
  if (integrity != "ok") {
    return absl::DataLossError(absl::StrCat(path_, ": ", integrity));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ComparisonRow>> SqliteTable::Read(int64_t first_seq,
                                                             int64_t last_seq) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database_.Prepare("SELECT seq, comparison_id, bytes, digest, chain "
                        "FROM comparisons WHERE seq BETWEEN ? AND ? "
                        "ORDER BY seq"));
  rows.BindInt(1, first_seq);
  rows.BindInt(2, last_seq);
  std::vector<ComparisonRow> result;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return result;
    result.push_back(ComparisonOf(rows));
  }
}

absl::StatusOr<std::vector<ComparisonRow>> SqliteTable::Find(
    absl::Span<const std::string> comparison_ids) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement row,
      database_.Prepare("SELECT seq, comparison_id, bytes, digest, chain "
                        "FROM comparisons WHERE comparison_id = ?"));
  std::vector<ComparisonRow> result;
  for (const std::string& id : comparison_ids) {
    row.BindText(1, id);
    RLHF_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found) result.push_back(ComparisonOf(row));
    row.Reset();
  }
  return result;
}

absl::StatusOr<std::vector<RetractionRow>> SqliteTable::ReadRetractions(
    int64_t first_number, int64_t last_number) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database_.Prepare("SELECT number, seq, bytes, chain FROM retractions "
                        "WHERE number BETWEEN ? AND ? ORDER BY number"));
  rows.BindInt(1, first_number);
  rows.BindInt(2, last_number);
  std::vector<RetractionRow> result;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return result;
    result.push_back({.number = rows.Int(0),
                      .seq = rows.Int(1),
                      .bytes = rows.Bytes(2),
                      .chain = rows.Bytes(3)});
  }
}

absl::StatusOr<std::vector<StoredBatch>> SqliteTable::ListBatches(
    const BatchCursor& after, int64_t limit) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database_.Prepare("SELECT batch_id, source, received_unix_ms, state, "
                        "report FROM batches WHERE received_unix_ms < ?1 "
                        "OR (received_unix_ms = ?1 AND batch_id > ?2) "
                        "ORDER BY received_unix_ms DESC, batch_id LIMIT ?3"));
  rows.BindInt(1, after.received_unix_ms);
  rows.BindText(2, after.batch_id);
  rows.BindInt(3, limit);
  std::vector<StoredBatch> result;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return result;
    result.push_back(BatchOf(rows));
  }
}

absl::StatusOr<std::optional<StoredBatch>> SqliteTable::GetBatch(
    const std::string& batch_id) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement row,
      database_.Prepare("SELECT batch_id, source, received_unix_ms, state, "
                        "report, payload FROM batches WHERE batch_id = ?"));
  row.BindText(1, batch_id);
  RLHF_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  StoredBatch batch = BatchOf(row);
  batch.payload = row.Bytes(5);
  return batch;
}

absl::Status SqliteTable::Commit(const TableChange& change) {
  RLHF_RETURN_IF_ERROR(database_.CheckInPlace());
  RLHF_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                        SqliteTransaction::Begin(&database_));
  RLHF_RETURN_IF_ERROR(Append(change.appended));
  RLHF_RETURN_IF_ERROR(Replace(change.replaced));
  RLHF_RETURN_IF_ERROR(AppendRetractions(change.retractions));
  RLHF_RETURN_IF_ERROR(PutBatches(change.batches));
  return transaction.Commit();
}

absl::Status SqliteTable::Append(const std::vector<ComparisonRow>& rows) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare("INSERT INTO comparisons VALUES (?, ?, ?, ?, ?)"));
  for (const ComparisonRow& row : rows) {
    insert.BindInt(1, row.seq);
    insert.BindText(2, row.comparison_id);
    insert.BindBlob(3, row.bytes);
    insert.BindText(4, row.digest);
    insert.BindText(5, row.chain);
    RLHF_RETURN_IF_ERROR(insert.Step().status());
    insert.Reset();
  }
  return absl::OkStatus();
}

absl::Status SqliteTable::Replace(const std::vector<ComparisonRow>& rows) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement update,
      database_.Prepare("UPDATE comparisons SET bytes = ? WHERE seq = ?"));
  for (const ComparisonRow& row : rows) {
    update.BindBlob(1, row.bytes);
    update.BindInt(2, row.seq);
    RLHF_RETURN_IF_ERROR(update.Step().status());
    update.Reset();
  }
  return absl::OkStatus();
}

absl::Status SqliteTable::AppendRetractions(
    const std::vector<RetractionRow>& rows) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare("INSERT INTO retractions VALUES (?, ?, ?, ?)"));
  for (const RetractionRow& row : rows) {
    insert.BindInt(1, row.number);
    insert.BindInt(2, row.seq);
    insert.BindBlob(3, row.bytes);
    insert.BindText(4, row.chain);
    RLHF_RETURN_IF_ERROR(insert.Step().status());
    insert.Reset();
  }
  return absl::OkStatus();
}

absl::Status SqliteTable::PutBatches(const std::vector<StoredBatch>& batches) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement put,
      database_.Prepare("REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?)"));
  for (const StoredBatch& batch : batches) {
    put.BindText(1, batch.batch_id);
    put.BindText(2, batch.source);
    put.BindInt(3, batch.received_unix_ms);
    put.BindInt(4, static_cast<int64_t>(batch.state));
    put.BindText(5, batch.report);
    put.BindBlob(6, batch.payload);
    RLHF_RETURN_IF_ERROR(put.Step().status());
    put.Reset();
  }
  return absl::OkStatus();
}

absl::Status SqliteTable::EraseTraces() {
  // The log of writes still holds the pages as they were.
  return database_.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

absl::Status SqliteTable::BackupTo(const std::string& path) {
  if (FileExists(path)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is there: give the backup another name"));
  }
  const std::string temporary = path + ".new";
  RLHF_RETURN_IF_ERROR(database_.CopyTo(temporary));
  {
    RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteTable> copy,
                          OpenUnlocked(temporary));
    RLHF_ASSIGN_OR_RETURN(const LogStats copied,
                          VerifyLog(*copy, /*known=*/nullptr));
    RLHF_ASSIGN_OR_RETURN(
        const std::string head,
        database_.QueryText(
            "SELECT chain FROM comparisons ORDER BY seq DESC LIMIT 1"));
    if (!head.empty() && copied.chain_head != head) {
      return absl::DataLossError(
          absl::StrCat(temporary, " is no true copy of ", path_));
    }
  }
  return Rename(temporary, path);
}

}  // namespace rlhf
