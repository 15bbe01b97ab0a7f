// The preference store's rows in a PostgreSQL database, one schema for each
// run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "feedback/comparison_table.h"
#include "feedback/postgres.h"

namespace rlhf {

// One process writes: an advisory lock that its one session holds refuses
// others. When the session is lost it connects again, with growing pauses, and
// takes the lock before it does anything: whoever has it knows that the session
// before has ended, and so whether its last COMMIT was made.
//
// Not for connection poolers, which share sessions.
class PostgresTable final : public ComparisonTable {
 public:
  struct Options {
    PostgresSession::Options session;
    // How long a call tries to reach a server that is away.
    absl::Duration retry_for = absl::Seconds(10);
  };

  // Connects to "postgresql://…" and makes the tables of the run if there are
  // none.
  //
  // Errors:
  //   InvalidArgument     the URL cannot be read; the run's name is no name for
  //                       a schema
  //   FailedPrecondition  another process holds the store (it is named)
  //   DataLoss            there are tables, but no store of this version
  //   Unavailable         the server
  static absl::StatusOr<std::unique_ptr<PostgresTable>> Open(
      const std::string& url, const std::string& run_name,
      const Options& options);

  // Whether Open would find the run's tables; makes none.
  //
  // Errors: InvalidArgument and Unavailable as Open.
  static absl::StatusOr<bool> Exists(const std::string& url,
                                     const std::string& run_name,
                                     const PostgresSession::Options& options);

  const std::string& name() const override { return name_; }
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
  PostgresTable(std::string url, std::string schema, const Options& options)
      : url_(std::move(url)), schema_(std::move(schema)), options_(options) {}

  // A session that holds the lock. `lock_deadline`: until when to wait for it.
  absl::Status Connect(absl::Time lock_deadline);
  // Who was open once is not refused for good: another process that holds the
  // lock now is Unavailable, so that callers keep what they have and try again.
  absl::Status ConnectAgain(absl::Time lock_deadline);
  // Runs `step` and, if the session is lost meanwhile, runs it again in
  // another, until options_.retry_for has passed.
  absl::Status WithSession(
      const std::function<absl::Status(PostgresSession&)>& step);
  absl::StatusOr<PostgresResult> Select(const std::string& statement,
                                        absl::Span<const PostgresValue> values);

  const std::string url_;
  const std::string schema_;
  const Options options_;
  std::string name_;
  std::optional<PostgresSession> session_;
  // The session is new: where the log ends has to be looked up before it is
  // added to.
  bool is_position_known_ = false;
};

}  // namespace rlhf
