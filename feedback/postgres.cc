#include "feedback/postgres.h"

#include <endian.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// Types by their number in pg_type.
constexpr int32_t kByteaType = 17;
constexpr int32_t kBigintType = 20;

constexpr absl::Duration kGrace = absl::Seconds(5);

void AppendInt32(std::string& bytes, int32_t value) {
  const uint32_t big_endian = htobe32(static_cast<uint32_t>(value));
  bytes.append(reinterpret_cast<const char*>(&big_endian), sizeof(big_endian));
}

std::string BigEndian(int64_t value) {
  const uint64_t big_endian = htobe64(static_cast<uint64_t>(value));
  return std::string(reinterpret_cast<const char*>(&big_endian),
                     sizeof(big_endian));
}

// What precedes the elements of an array of one dimension.
std::string ArrayHeader(int32_t element_type, size_t num_elements) {
  std::string bytes;
  AppendInt32(bytes, num_elements == 0 ? 0 : 1);  // dimensions
  AppendInt32(bytes, 0);                          // no nulls
  AppendInt32(bytes, element_type);
  if (num_elements > 0) {
    AppendInt32(bytes, static_cast<int32_t>(num_elements));
    AppendInt32(bytes, 1);  // lower bound
  }
  return bytes;
}

void AppendElement(std::string& bytes, absl::string_view element) {
  AppendInt32(bytes, static_cast<int32_t>(element.size()));
  bytes.append(element.data(), element.size());
}

std::string OneLine(const char* message) {
  std::string line(absl::StripAsciiWhitespace(message));
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

// The server's reason, five characters; empty if it gave none.
std::string SqlState(const PGresult* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? "" : state;
}

// Classes and codes of the appendix "PostgreSQL Error Codes".
bool EndsSession(absl::string_view state) {
  return state.empty() || absl::StartsWith(state, "08") ||
         absl::StartsWith(state, "57P0");
}

// libpq's own message would show the URL, password and all.
absl::Status CheckUrl(const std::string& url) {
  PQconninfoOption* const options =
      PQconninfoParse(url.c_str(), /*errmsg=*/nullptr);
  if (options == nullptr) {
    return absl::InvalidArgumentError(
        "the address of the database cannot be read; wanted "
        "postgresql://USER@HOST/DATABASE");
  }
  PQconninfoFree(options);
  return absl::OkStatus();
}

std::string ServerName(const PGconn* connection) {
  const char* const host = PQhost(connection);
  const char* const database = PQdb(connection);
  return absl::StrCat("postgresql ", host == nullptr ? "" : host, "/",
                      database == nullptr ? "" : database);
}

}  // namespace

PostgresValue PostgresValue::Int(int64_t value) {
  return PostgresValue(BigEndian(value));
}

PostgresValue PostgresValue::Bytes(std::string value) {
  return PostgresValue(std::move(value));
}

PostgresValue PostgresValue::Ints(absl::Span<const int64_t> values) {
  std::string bytes = ArrayHeader(kBigintType, values.size());
  for (const int64_t value : values) AppendElement(bytes, BigEndian(value));
  return PostgresValue(std::move(bytes));
}

PostgresValue PostgresValue::Array(absl::Span<const std::string> values) {
  std::string bytes = ArrayHeader(kByteaType, values.size());
  for (const std::string& value : values) AppendElement(bytes, value);
  return PostgresValue(std::move(bytes));
}

int64_t PostgresResult::Int(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column)) return 0;
  RLHF_CHECK(PQgetlength(result_.get(), row, column) == sizeof(int64_t));
  uint64_t big_endian = 0;
  std::memcpy(&big_endian, PQgetvalue(result_.get(), row, column),
              sizeof(big_endian));
  return static_cast<int64_t>(be64toh(big_endian));
}

std::string PostgresResult::Bytes(int row, int column) const {
  return std::string(PQgetvalue(result_.get(), row, column),
                     PQgetlength(result_.get(), row, column));
}

PostgresSession::PostgresSession(PGconn* connection, const Options& options)
    : connection_(connection, &PQfinish),
      answer_timeout_(options.statement_timeout + kGrace),
      name_(ServerName(connection)) {}

absl::StatusOr<PostgresSession> PostgresSession::Connect(
    const std::string& url, const Options& options) {
  RLHF_RETURN_IF_ERROR(CheckUrl(url));
  const std::string connect_seconds =
      absl::StrCat(absl::ToInt64Seconds(options.connect_timeout));
  const std::string silence_ms =
      absl::StrCat(absl::ToInt64Milliseconds(options.statement_timeout));
  const std::string program = absl::StrCat("rlhf, process ", ::getpid());
  // The URL comes after what it may change.
  const char* const keys[] = {"connect_timeout",
                              "tcp_user_timeout",
                              "keepalives_idle",
                              "fallback_application_name",
                              "dbname",
                              "client_encoding",
                              nullptr};
  const char* const values[] = {connect_seconds.c_str(),
                                silence_ms.c_str(),
                                "10",
                                program.c_str(),
                                url.c_str(),
                                "UTF8",
                                nullptr};
  PGconn* const connection = PQconnectdbParams(keys, values, /*expand=*/1);
  if (connection == nullptr) {
    return absl::UnavailableError("libpq has no memory for a connection");
  }
  PostgresSession session(connection, options);
  if (PQstatus(connection) != CONNECTION_OK) {
    return absl::UnavailableError(
        absl::StrCat(session.name_, ": ", OneLine(PQerrorMessage(connection))));
  }
  // Notices are no news to us, and libpq prints them.
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  RLHF_RETURN_IF_ERROR(session.Execute(
      absl::StrCat("SET synchronous_commit = on; SET statement_timeout = ",
                   absl::ToInt64Milliseconds(options.statement_timeout))));
  return session;
}

absl::Status PostgresSession::Execute(const std::string& sql) {
  return Await(PQsendQuery(connection_.get(), sql.c_str())).status();
}

absl::StatusOr<PostgresResult> PostgresSession::Query(const std::string& sql) {
  return Await(PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr,
                                 nullptr, nullptr, nullptr,
                                 /*resultFormat=*/1));
}

absl::Status PostgresSession::Prepare(const std::string& name,
                                      const std::string& sql) {
  return Await(PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0,
                             nullptr))
      .status();
}

absl::StatusOr<PostgresResult> PostgresSession::Run(
    const std::string& name, absl::Span<const PostgresValue> values) {
  std::vector<const char*> data;
  std::vector<int> sizes;
  const std::vector<int> formats(values.size(), 1);
  for (const PostgresValue& value : values) {
    data.push_back(value.bytes().data());
    sizes.push_back(static_cast<int>(value.bytes().size()));
  }
  return Await(PQsendQueryPrepared(connection_.get(), name.c_str(),
                                   static_cast<int>(values.size()), data.data(),
                                   sizes.data(), formats.data(),
                                   /*resultFormat=*/1));
}

absl::StatusOr<PostgresResult> PostgresSession::Await(bool sent) {
  if (!sent) return Lost(OneLine(PQerrorMessage(connection_.get())));
  const absl::Time deadline = MonotonicNow() + answer_timeout_;
  PostgresResult last(nullptr);
  absl::Status status;
  while (true) {
    RLHF_RETURN_IF_ERROR(WaitForInput(deadline));
    PGresult* const result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    if (status.ok()) status = ErrorOf(result);
    last = PostgresResult(result);
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    return Lost(OneLine(PQerrorMessage(connection_.get())));
  }
  RLHF_RETURN_IF_ERROR(status);
  return last;
}

absl::Status PostgresSession::WaitForInput(absl::Time deadline) {
  while (PQisBusy(connection_.get())) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) return Lost("the server does not answer");
    pollfd socket = {.fd = PQsocket(connection_.get()), .events = POLLIN};
    const int ready = ::poll(
        &socket, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready < 0 && errno != EINTR) return Lost(std::strerror(errno));
    if (ready > 0 && !PQconsumeInput(connection_.get())) {
      return Lost(OneLine(PQerrorMessage(connection_.get())));
    }
  }
  return absl::OkStatus();
}

absl::Status PostgresSession::Lost(absl::string_view why) {
  lost_ = true;
  return absl::UnavailableError(
      absl::StrCat(name_, ": the connection is lost: ", why));
}

absl::Status PostgresSession::ErrorOf(const PGresult* result) {
  const ExecStatusType code = PQresultStatus(result);
  if (code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK ||
      code == PGRES_EMPTY_QUERY) {
    return absl::OkStatus();
  }
  const std::string state = SqlState(result);
  const std::string message =
      absl::StrCat(name_, ": ", OneLine(PQresultErrorMessage(result)));
  if (EndsSession(state)) return Lost(OneLine(PQresultErrorMessage(result)));
  if (state == "53100") {
    return absl::ResourceExhaustedError(
        absl::StrCat(message, ": free some space; nothing was written"));
  }
  if (state == "23505") return absl::AbortedError(message);
  // Damaged pages, a damaged index, a table that is gone.
  if (state == "XX001" || state == "XX002" || state == "42P01") {
    return absl::DataLossError(message);
  }
  return absl::UnavailableError(message);
}

}  // namespace rlhf
