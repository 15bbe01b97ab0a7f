// The preference store's rows in one SQLite file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/process_lock.h"
#include "feedback/comparison_table.h"
#include "feedback/sqlite.h"

namespace rlhf {

// One process holds the file, with one connection that no other may join
// (locking_mode EXCLUSIVE): SQLite 3.40 can corrupt a log that two connections
// write or checkpoint. Others read through the Feedback service. A lock file
// beside it, `path`.lock, names the process.
class SqliteTable final : public ComparisonTable {
 public:
  // Opens or creates the file. A file of schema 1 is first copied to
  // `path`.v1 and then made one of this schema.
  //
  // Errors:
  //   FailedPrecondition  another process has it open (its id is named)
  //   AlreadyExists       `path`.v1 is there and no copy of this store
  //   DataLoss            the file is corrupted, or no preference store; it is
  //                       left as it is
  //   ResourceExhausted, Unavailable  the disk
  static absl::StatusOr<std::unique_ptr<SqliteTable>> Open(
      const std::string& path);

  const std::string& name() const override { return path_; }
  absl::StatusOr<std::vector<ComparisonRow>> Read(int64_t first_seq,
                                                  int64_t last_seq) override;
  absl::StatusOr<std::vector<ComparisonRow>> Find(
      absl::Span<const std::string> comparison_ids) override;
  absl::StatusOr<std::vector<RetractionRow>> ReadRetractions(
      int64_t first_number, int64_t last_number) override;
  absl::StatusOr<std::vector<StoredBatch>> ListBatches(const BatchCursor& after,
                                                       int64_t limit) override;
  absl::StatusOr<std::optional<StoredBatch>> GetBatch(
      const std::string& batch_id) override;
  absl::Status Commit(const TableChange& change) override;
  absl::Status EraseTraces() override;
  absl::Status BackupTo(const std::string& path) override;

 private:
  SqliteTable(SqliteDatabase database, std::string path)
      : path_(std::move(path)), database_(std::move(database)) {}

  // Opens a file that is there, without the lock.
  static absl::StatusOr<std::unique_ptr<SqliteTable>> OpenUnlocked(
      const std::string& path);
  absl::Status Prepare();
  absl::Status CheckFile();
  absl::Status Append(const std::vector<ComparisonRow>& rows);
  absl::Status Replace(const std::vector<ComparisonRow>& rows);
  absl::Status AppendRetractions(const std::vector<RetractionRow>& rows);
  absl::Status PutBatches(const std::vector<StoredBatch>& batches);

  const std::string path_;
  std::optional<ProcessLock> lock_;
  SqliteDatabase database_;
};

}  // namespace rlhf
