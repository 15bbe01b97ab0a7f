// PostgreSQL with owners and statuses: a session, a result, parameters.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace rlhf {

// A value in PostgreSQL's binary format.
class PostgresValue {
 public:
  static PostgresValue Int(int64_t value);        // bigint
  static PostgresValue Bytes(std::string value);  // bytea, or text if UTF-8
  static PostgresValue Ints(absl::Span<const int64_t> values);       // bigint[]
  static PostgresValue Array(absl::Span<const std::string> values);  // bytea[]

  const std::string& bytes() const { return bytes_; }

 private:
  explicit PostgresValue(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string bytes_;
};

// Rows; columns count from 0.
class PostgresResult {
 public:
  explicit PostgresResult(PGresult* result) : result_(result, &PQclear) {}

  int num_rows() const { return PQntuples(result_.get()); }
  // A bigint column; 0 if it is null.
  int64_t Int(int row, int column) const;
  // A bytea or text column; empty if it is null.
  std::string Bytes(int row, int column) const;

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

// One session. Errors of every method:
//   ResourceExhausted  the server's disk is full
//   Aborted            a row with such a key is there already
//   DataLoss           the server found its data damaged
//   Unavailable        everything else; lost() says if the session is gone
// Messages name server and database and no secret. Thread-compatible.
class PostgresSession {
 public:
  struct Options {
    absl::Duration connect_timeout = absl::Seconds(5);
    // The server cancels what takes longer, and the session counts as lost if
    // it says nothing for 5 seconds more.
    absl::Duration statement_timeout = absl::Seconds(15);
  };

  // Connects to "postgresql://…". Errors: also InvalidArgument if the URL
  // cannot be read.
  static absl::StatusOr<PostgresSession> Connect(const std::string& url,
                                                 const Options& options);

  // Runs statements without parameters.
  absl::Status Execute(const std::string& sql);
  // Runs one statement without parameters; its columns must be bigint, bytea or
  // text.
  absl::StatusOr<PostgresResult> Query(const std::string& sql);

  // Prepares a statement, and runs a prepared one.
  absl::Status Prepare(const std::string& name, const std::string& sql);
  absl::StatusOr<PostgresResult> Run(const std::string& name,
                                     absl::Span<const PostgresValue> values);

  // Whether the session is gone, with whatever was under way in it. What a lost
  // COMMIT did is not known.
  bool lost() const { return lost_; }

  // "postgresql HOST/DATABASE".
  const std::string& name() const { return name_; }

 private:
  PostgresSession(PGconn* connection, const Options& options);

  // The result of what was sent; `sent` is false if sending failed.
  absl::StatusOr<PostgresResult> Await(bool sent);
  absl::Status WaitForInput(absl::Time deadline);
  absl::Status Lost(absl::string_view why);
  absl::Status ErrorOf(const PGresult* result);

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  absl::Duration answer_timeout_;
  std::string name_;
  bool lost_ = false;
};

}  // namespace rlhf
