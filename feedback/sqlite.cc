#include "feedback/sqlite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::Status SqliteError(sqlite3* database, int code, const std::string& path) {
  const std::string message = absl::StrCat(
      path, ": ",
      database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat(message, ": free some space; nothing was written"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(
          absl::StrCat(message, ": another program has this file open"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// SQLite makes files that everybody may read, but gives those beside a database
// the mode of the database. Not for one that is there: to close it would end
// locks that this process has on it.
void CreateForOwner(const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);  // else SQLite says what is wrong
}

// 0: there is no such file.
uint64_t InodeOf(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      path_(std::move(other.path_)) {}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::BindInt(int index, int64_t value) {
  RLHF_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void SqliteStatement::BindText(int index, absl::string_view value) {
  RLHF_CHECK(sqlite3_bind_text64(statement_, index, value.data(), value.size(),
                                 SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
}

void SqliteStatement::BindBlob(int index, absl::string_view value) {
  RLHF_CHECK(sqlite3_bind_blob64(statement_, index, value.data(), value.size(),
                                 SQLITE_TRANSIENT) == SQLITE_OK);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(database_, code, path_);
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteStatement::Bytes(int column) const {
  const auto* const data =
      static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(data, size);
}

absl::StatusOr<SqliteDatabase> SqliteDatabase::Open(const std::string& path) {
  CreateForOwner(path);
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
      nullptr);
  SqliteDatabase result(database, path);
  if (code != SQLITE_OK) return SqliteError(database, code, path);
  sqlite3_extended_result_codes(database, 1);
  return result;
}

SqliteDatabase::SqliteDatabase(SqliteDatabase&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)),
      path_(std::move(other.path_)),
      journal_inode_(other.journal_inode_) {}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(database_); }

absl::Status SqliteDatabase::Execute(const std::string& sql) {
  const int code =
      sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(database_, code, path_);
  return absl::OkStatus();
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(
    const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement,
                                      /*pzTail=*/nullptr);
  if (code != SQLITE_OK) return SqliteError(database_, code, path_);
  return SqliteStatement(database_, statement, path_);
}

absl::StatusOr<int64_t> SqliteDatabase::QueryInt(const std::string& sql) {
  RLHF_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  RLHF_ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Int(0) : 0;
}

absl::StatusOr<std::string> SqliteDatabase::QueryText(const std::string& sql) {
  RLHF_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  RLHF_ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Bytes(0) : std::string();
}

absl::Status SqliteDatabase::CheckInPlace() {
  int has_moved = 0;
  sqlite3_file_control(database_, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
  const std::string journal = path_ + "-wal";
  const uint64_t journal_inode = InodeOf(journal);
  if (journal_inode_ == 0) journal_inode_ = journal_inode;
  if (has_moved == 0 && journal_inode == journal_inode_) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      has_moved != 0 ? path_ : journal,
      " was moved, replaced or removed while it is in use; nothing is saved "
      "until it is there again: put the same file back, or, before the service "
      "stops, save all that was acknowledged by `rlhf feedback backup`"));
}

absl::Status SqliteDatabase::CopyTo(const std::string& path) {
  RLHF_RETURN_IF_ERROR(RemoveAll(path));
  {
    RLHF_ASSIGN_OR_RETURN(SqliteDatabase copy, Open(path));
    sqlite3_backup* const backup =
        sqlite3_backup_init(copy.database_, "main", database_, "main");
    if (backup == nullptr) {
      return SqliteError(copy.database_, sqlite3_errcode(copy.database_), path);
    }
    const int code = sqlite3_backup_step(backup, /*nPage=*/-1);
    sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE) {
      return SqliteError(copy.database_, code, path);
    }
  }
  return SyncPath(path);
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::Begin(
    SqliteDatabase* database) {
  RLHF_RETURN_IF_ERROR(database->Execute("BEGIN IMMEDIATE"));
  return SqliteTransaction(database);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  // SQLite has already rolled back after some errors (a full disk); then this
  // fails, which is fine.
  if (database_ != nullptr) database_->Execute("ROLLBACK").IgnoreError();
}

absl::Status SqliteTransaction::Commit() {
  RLHF_RETURN_IF_ERROR(database_->Execute("COMMIT"));
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace rlhf
