// SQLite with owners and statuses: a connection, a prepared statement, a
// transaction.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

class SqliteDatabase;

// One prepared statement. Parameters and columns count from SQLite's 1 and 0.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  void BindInt(int index, int64_t value);
  // The text or blob is copied.
  void BindText(int index, absl::string_view value);
  void BindBlob(int index, absl::string_view value);

  // Goes to the next row; false at the end. Errors: as SqliteDatabase.
  absl::StatusOr<bool> Step();
  // Ready for new parameters.
  void Reset();

  int64_t Int(int column) const;
  std::string Bytes(int column) const;

 private:
  friend class SqliteDatabase;
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement, std::string path)
      : database_(database), statement_(statement), path_(std::move(path)) {}

  sqlite3* database_;
  sqlite3_stmt* statement_;
  std::string path_;
};

// A file that is made is readable by its owner only (0600), and so are the ones
// that SQLite keeps beside it.
//
// Errors of every method: ResourceExhausted if the disk is full,
// FailedPrecondition if the file is used elsewhere, DataLoss if it is corrupted
// or no database, else Unavailable. Messages name the file. Thread-compatible.
class SqliteDatabase {
 public:
  static absl::StatusOr<SqliteDatabase> Open(const std::string& path);
  SqliteDatabase(SqliteDatabase&& other) noexcept;
  SqliteDatabase& operator=(SqliteDatabase&&) = delete;
  ~SqliteDatabase();

  // Runs statements that return nothing of interest.
  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(const std::string& sql);
  // The first column of the first row, as an integer or as text.
  absl::StatusOr<int64_t> QueryInt(const std::string& sql);
  absl::StatusOr<std::string> QueryText(const std::string& sql);

  // Unavailable, with what to do, if the file or its journal was moved,
  // replaced or removed since it was opened: SQLite would go on in a file that
  // nobody finds again. Costs two stat calls. The journal is known from the
  // first call that finds one.
  absl::Status CheckInPlace();

  // Copies all of it into the file `path`, by SQLite's online backup, and syncs
  // the copy. What was in `path` is gone.
  absl::Status CopyTo(const std::string& path);

 private:
  SqliteDatabase(sqlite3* database, std::string path)
      : database_(database), path_(std::move(path)) {}

  sqlite3* database_;
  std::string path_;
  uint64_t journal_inode_ = 0;  // 0: none was found yet
};

// Rolls back when it is destroyed before Commit succeeded.
class SqliteTransaction {
 public:
  // `database` is not owned and must outlive the transaction.
  static absl::StatusOr<SqliteTransaction> Begin(SqliteDatabase* database);
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();

  // Durable once it returns OK.
  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDatabase* database) : database_(database) {}

  SqliteDatabase* database_;  // null when there is nothing to roll back
};

}  // namespace rlhf
