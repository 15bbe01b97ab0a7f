#include "feedback/postgres_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "feedback/comparison_chain.h"
#include "feedback/postgres_schema.h"

namespace rlhf {
namespace {

// How long a store that is opened waits for one that is being closed.
constexpr absl::Duration kHandOver = absl::Seconds(1);
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

std::vector<ComparisonRow> ComparisonsOf(const PostgresResult& result) {
  std::vector<ComparisonRow> rows;
  for (int i = 0; i < result.num_rows(); ++i) {
    rows.push_back({.seq = result.Int(i, 0),
                    .comparison_id = result.Bytes(i, 1),
                    .bytes = result.Bytes(i, 2),
                    .digest = result.Bytes(i, 3),
                    .chain = result.Bytes(i, 4)});
  }
  return rows;
}

// Without the payload.
StoredBatch BatchOf(const PostgresResult& result, int row) {
  return {.batch_id = result.Bytes(row, 0),
          .source = result.Bytes(row, 1),
          .received_unix_ms = result.Int(row, 2),
          .state = static_cast<BatchState>(result.Int(row, 3)),
          .report = result.Bytes(row, 4)};
}

// One field of all rows, as an array.
template <typename Row>
PostgresValue Ints(const std::vector<Row>& rows, int64_t Row::*field) {
  std::vector<int64_t> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(row.*field);
  return PostgresValue::Ints(values);
}

template <typename Row>
PostgresValue Texts(const std::vector<Row>& rows, std::string Row::*field) {
  std::vector<std::string> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(row.*field);
  return PostgresValue::Array(values);
}

absl::Status Write(PostgresSession& session, const TableChange& change) {
  RLHF_RETURN_IF_ERROR(session.Execute("BEGIN"));
  const auto& appended = change.appended;
  if (!appended.empty()) {
    RLHF_RETURN_IF_ERROR(
        session
            .Run("append", {Ints(appended, &ComparisonRow::seq),
                            Texts(appended, &ComparisonRow::comparison_id),
                            Texts(appended, &ComparisonRow::bytes),
                            Texts(appended, &ComparisonRow::digest),
                            Texts(appended, &ComparisonRow::chain)})
            .status());
  }
  if (!change.replaced.empty()) {
    RLHF_RETURN_IF_ERROR(
        session
            .Run("replace", {Ints(change.replaced, &ComparisonRow::seq),
                             Texts(change.replaced, &ComparisonRow::bytes)})
            .status());
  }
  const auto& retractions = change.retractions;
  if (!retractions.empty()) {
    RLHF_RETURN_IF_ERROR(session
                             .Run("append_retractions",
                                  {Ints(retractions, &RetractionRow::number),
                                   Ints(retractions, &RetractionRow::seq),
                                   Texts(retractions, &RetractionRow::bytes),
                                   Texts(retractions, &RetractionRow::chain)})
                             .status());
  }
  for (const StoredBatch& batch : change.batches) {
    RLHF_RETURN_IF_ERROR(
        session
            .Run("put_batch",
                 {PostgresValue::Bytes(batch.batch_id),
                  PostgresValue::Bytes(batch.source),
                  PostgresValue::Int(batch.received_unix_ms),
                  PostgresValue::Int(static_cast<int64_t>(batch.state)),
                  PostgresValue::Bytes(batch.report),
                  PostgresValue::Bytes(batch.payload)})
            .status());
  }
  return session.Execute("COMMIT");
}

absl::StatusOr<LogPosition> ReadPosition(PostgresSession& session) {
  RLHF_ASSIGN_OR_RETURN(const PostgresResult last, session.Run("last", {}));
  if (last.num_rows() == 0) return LogPosition{.chain_head = ChainStart()};
  return LogPosition{.num_comparisons = last.Int(0, 0),
                     .chain_head = last.Bytes(0, 1),
                     .num_retracted = last.Int(0, 2)};
}

LogPosition PositionAfter(const TableChange& change) {
  LogPosition position = change.base;
  position.num_retracted += static_cast<int64_t>(change.retractions.size());
  if (!change.appended.empty()) {
    position.num_comparisons = change.appended.back().seq;
    position.chain_head = change.appended.back().chain;
  }
  return position;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresTable>> PostgresTable::Open(
    const std::string& url, const std::string& run_name,
    const Options& options) {
  RLHF_ASSIGN_OR_RETURN(std::string schema, PostgresSchemaOf(run_name));
  std::unique_ptr<PostgresTable> table(
      new PostgresTable(url, std::move(schema), options));
  RLHF_RETURN_IF_ERROR(table->Connect(MonotonicNow() + kHandOver));
  table->name_ =
      absl::StrCat(table->session_->name(), " (", table->schema_, ")");
  return table;
}

absl::StatusOr<bool> PostgresTable::Exists(
    const std::string& url, const std::string& run_name,
    const PostgresSession::Options& options) {
  RLHF_ASSIGN_OR_RETURN(const std::string schema, PostgresSchemaOf(run_name));
  RLHF_ASSIGN_OR_RETURN(PostgresSession session,
                        PostgresSession::Connect(url, options));
  return HasPostgresTables(session, schema);
}

absl::Status PostgresTable::Connect(absl::Time lock_deadline) {
  is_position_known_ = false;
  RLHF_ASSIGN_OR_RETURN(PostgresSession session,
                        PostgresSession::Connect(url_, options_.session));
  RLHF_RETURN_IF_ERROR(LockPostgresSchema(session, schema_, lock_deadline));
  // A store that was open is never made anew, empty.
  if (name_.empty()) {
    RLHF_RETURN_IF_ERROR(CreatePostgresTables(session, schema_));
  }
  RLHF_RETURN_IF_ERROR(PreparePostgresStatements(session, schema_));
  session_.emplace(std::move(session));
  return absl::OkStatus();
}

absl::Status PostgresTable::ConnectAgain(absl::Time lock_deadline) {
  const absl::Status status = Connect(lock_deadline);
  if (!absl::IsFailedPrecondition(status)) return status;
  return absl::UnavailableError(status.message());
}

absl::Status PostgresTable::WithSession(
    const std::function<absl::Status(PostgresSession&)>& step) {
  const absl::Time deadline = MonotonicNow() + options_.retry_for;
  absl::Duration pause = kFirstPause;
  while (true) {
    absl::Status status;
    if (!session_.has_value()) status = ConnectAgain(deadline);
    if (status.ok()) status = step(*session_);
    if (session_.has_value() && !session_->lost()) return status;
    session_.reset();
    const bool may_pass = absl::IsUnavailable(status);
    if (!may_pass || MonotonicNow() + pause >= deadline) return status;
    RLHF_LOG(WARNING) << status.message() << "; trying again in " << pause;
    if (WaitForShutdown(pause)) return status;
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::StatusOr<PostgresResult> PostgresTable::Select(
    const std::string& statement, absl::Span<const PostgresValue> values) {
  PostgresResult result(nullptr);
  RLHF_RETURN_IF_ERROR(WithSession([&](PostgresSession& session) {
    absl::StatusOr<PostgresResult> answer = session.Run(statement, values);
    if (answer.ok()) result = *std::move(answer);
    return answer.status();
  }));
  return result;
}

absl::StatusOr<std::vector<ComparisonRow>> PostgresTable::Read(
    int64_t first_seq, int64_t last_seq) {
  RLHF_ASSIGN_OR_RETURN(const PostgresResult result,
                        Select("read", {PostgresValue::Int(first_seq),
                                        PostgresValue::Int(last_seq)}));
  return ComparisonsOf(result);
}

absl::StatusOr<std::vector<ComparisonRow>> PostgresTable::Find(
    absl::Span<const std::string> comparison_ids) {
  RLHF_ASSIGN_OR_RETURN(const PostgresResult result,
                        Select("find", {PostgresValue::Array(comparison_ids)}));
  return ComparisonsOf(result);
}

absl::StatusOr<std::vector<RetractionRow>> PostgresTable::ReadRetractions(
    int64_t first_number, int64_t last_number) {
  RLHF_ASSIGN_OR_RETURN(
      const PostgresResult result,
      Select("read_retractions", {PostgresValue::Int(first_number),
                                  PostgresValue::Int(last_number)}));
  std::vector<RetractionRow> rows;
  for (int i = 0; i < result.num_rows(); ++i) {
    rows.push_back({.number = result.Int(i, 0),
                    .seq = result.Int(i, 1),
                    .bytes = result.Bytes(i, 2),
                    .chain = result.Bytes(i, 3)});
  }
  return rows;
}

absl::StatusOr<std::vector<StoredBatch>> PostgresTable::ListBatches(
    const BatchCursor& after, int64_t limit) {
  RLHF_ASSIGN_OR_RETURN(
      const PostgresResult result,
      Select("list_batches", {PostgresValue::Int(after.received_unix_ms),
                              PostgresValue::Bytes(after.batch_id),
                              PostgresValue::Int(limit)}));
  std::vector<StoredBatch> batches;
  for (int i = 0; i < result.num_rows(); ++i) {
    batches.push_back(BatchOf(result, i));
  }
  return batches;
}

absl::StatusOr<std::optional<StoredBatch>> PostgresTable::GetBatch(
    const std::string& batch_id) {
  RLHF_ASSIGN_OR_RETURN(const PostgresResult result,
                        Select("get_batch", {PostgresValue::Bytes(batch_id)}));
  if (result.num_rows() == 0) return std::nullopt;
  StoredBatch batch = BatchOf(result, 0);
  batch.payload = result.Bytes(0, 5);
  return batch;
}

absl::Status PostgresTable::Commit(const TableChange& change) {
  bool attempted = false;
  return WithSession([&](PostgresSession& session) -> absl::Status {
    if (!is_position_known_) {
      RLHF_ASSIGN_OR_RETURN(const LogPosition position, ReadPosition(session));
      const LogPosition after = PositionAfter(change);
      // The last session was lost in its COMMIT, which was made.
      if (attempted && position == after && after != change.base) {
        return absl::OkStatus();
      }
      if (position != change.base) {
        return absl::AbortedError(absl::StrCat(
            name_, ": the log ends at comparison ", position.num_comparisons,
            ", not at ", change.base.num_comparisons));
      }
      is_position_known_ = true;
    }
    attempted = true;
    absl::Status status = Write(session, change);
    if (!status.ok() && !session.lost()) {
      session.Execute("ROLLBACK").IgnoreError();
    }
    return status;
  });
}

absl::Status PostgresTable::EraseTraces() {
  // The server keeps replaced rows until they are vacuumed. It would do that
  // itself, some day.
  const absl::Status status = WithSession([](PostgresSession& session) {
    return session.Execute("VACUUM comparisons, batches");
  });
  if (!status.ok()) {
    RLHF_LOG(WARNING) << "retracted rows are not vacuumed yet: " << status;
  }
  return absl::OkStatus();
}

absl::Status PostgresTable::BackupTo(const std::string& /*path*/) {
  return absl::UnimplementedError(
      absl::StrCat(name_,
                   ": back a PostgreSQL database up with its own tool: "
                   "pg_dump --schema='\"",
                   schema_, "\"' DATABASE"));
}

}  // namespace rlhf
