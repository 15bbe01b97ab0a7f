#include "feedback/sqlite_schema.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "feedback/comparison_chain.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {
namespace {

constexpr char kTables[] =
    "CREATE TABLE comparisons("
    "  seq INTEGER PRIMARY KEY,"
    "  comparison_id TEXT NOT NULL UNIQUE,"
    "  bytes BLOB NOT NULL,"
    "  digest TEXT NOT NULL,"
    "  chain TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE retractions("
    "  number INTEGER PRIMARY KEY,"
    "  seq INTEGER NOT NULL UNIQUE,"
    "  bytes BLOB NOT NULL,"
    "  chain TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE batches("
    "  batch_id TEXT PRIMARY KEY,"
    "  source TEXT NOT NULL,"
    "  received_unix_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  report TEXT NOT NULL,"
    "  payload BLOB NOT NULL"
    ") STRICT;";

std::string Versions() {
  return absl::StrCat("PRAGMA application_id=", kStoreApplicationId,
                      "; PRAGMA user_version=", kStoreSchemaVersion, ";");
}

// Goes through the rows of schema 1 and proves their chain; returns its head.
absl::StatusOr<std::string> VerifySchema1(SqliteDatabase& database,
                                          const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database.Prepare("SELECT seq, bytes, chain FROM comparisons "
                       "ORDER BY seq"));
  std::string head = ChainStart();
  for (int64_t seq = 1;; ++seq) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return head;
    head = Sha256Hex(head + rows.Bytes(1));
    if (rows.Int(0) != seq || rows.Bytes(2) != head) {
      return absl::DataLossError(
          absl::StrCat(path, ": the hash chain breaks at comparison ", seq,
                       ": the log was changed after it was written"));
    }
  }
}

absl::StatusOr<std::string> VerifyCopy(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(SqliteDatabase copy, SqliteDatabase::Open(path));
  RLHF_RETURN_IF_ERROR(copy.Execute("PRAGMA locking_mode=EXCLUSIVE"));
  RLHF_ASSIGN_OR_RETURN(const std::string integrity,
                        copy.QueryText("PRAGMA integrity_check(1)"));
  if (integrity != "ok") {
    return absl::DataLossError(absl::StrCat(path, ": ", integrity));
  }
  return VerifySchema1(copy, path);
}

absl::Status KeepCopy(SqliteDatabase& database, const std::string& path,
                      const std::string& head) {
  const std::string kept = path + ".v1";
  if (FileExists(kept)) {
    const auto copied = VerifyCopy(kept);
    if (copied.ok() && *copied == head) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is to be migrated, which keeps a copy in ", kept,
                     ", but there is another file of this name: move it away"));
  }
  const std::string temporary = kept + ".new";
  RLHF_RETURN_IF_ERROR(database.CopyTo(temporary));
  RLHF_ASSIGN_OR_RETURN(const std::string copied, VerifyCopy(temporary));
  if (copied != head) {
    return absl::DataLossError(
        absl::StrCat(temporary, " is no true copy of ", path));
  }
  if (::rename(temporary.c_str(), kept.c_str()) != 0) {
    return ErrnoStatus(errno, "rename", temporary);
  }
  const size_t slash = path.rfind('/');
  return SyncPath(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

absl::Status CopyRows(SqliteDatabase& database, const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      database.Prepare("SELECT seq, comparison_id, bytes FROM comparisons_v1 "
                       "ORDER BY seq"));
  RLHF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database.Prepare("INSERT INTO comparisons VALUES (?, ?, ?, ?, ?)"));
  std::string head = ChainStart();
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return absl::OkStatus();
    ComparisonRow row = {.seq = rows.Int(0),
                         .comparison_id = rows.Bytes(1),
                         .bytes = rows.Bytes(2)};
    RLHF_RETURN_IF_ERROR(DecodeRow(row, path).status());
    row.digest = Sha256Hex(row.bytes);
    head = ChainLink(head, row.digest);
    insert.BindInt(1, row.seq);
    insert.BindText(2, row.comparison_id);
    insert.BindBlob(3, row.bytes);
    insert.BindText(4, row.digest);
    insert.BindText(5, head);
    RLHF_RETURN_IF_ERROR(insert.Step().status());
    insert.Reset();
  }
}

}  // namespace

absl::Status CreateStoreTables(SqliteDatabase& database) {
  return database.Execute(absl::StrCat(Versions(), kTables));
}

absl::Status MigrateFromSchema1(SqliteDatabase& database,
                                const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string head, VerifySchema1(database, path));
  RLHF_RETURN_IF_ERROR(KeepCopy(database, path, head));
  RLHF_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                        SqliteTransaction::Begin(&database));
  RLHF_RETURN_IF_ERROR(database.Execute(absl::StrCat(
      "ALTER TABLE comparisons RENAME TO comparisons_v1;", kTables)));
  RLHF_RETURN_IF_ERROR(CopyRows(database, path));
  RLHF_RETURN_IF_ERROR(
      database.Execute(absl::StrCat("DROP TABLE comparisons_v1;", Versions())));
  RLHF_RETURN_IF_ERROR(transaction.Commit());
  RLHF_LOG(INFO) << path << " is now of schema " << kStoreSchemaVersion
                 << "; as it was before it is in " << path << ".v1";
  return absl::OkStatus();
}

}  // namespace rlhf
