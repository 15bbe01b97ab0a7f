#include "feedback/postgres_schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kPrefix[] = "rlhf_";
// PostgreSQL cuts names of more than 63 bytes.
constexpr size_t kMaxNameBytes = 58;
constexpr int64_t kVersion = 2;
// "rlhf" as a number, the first half of the lock's key.
constexpr int32_t kLockClass = 0x726c6866;
constexpr absl::Duration kLockPause = absl::Milliseconds(50);

// Whatever callers send as an id or text is bytea: it may hold zeros or be no
// UTF-8, which text refuses.
constexpr char kTables[] =
    "CREATE TABLE store(schema_version bigint NOT NULL);"
    "INSERT INTO store VALUES (2);"
    "CREATE TABLE comparisons("
    "  seq bigint PRIMARY KEY,"
    "  comparison_id bytea NOT NULL UNIQUE,"
    "  bytes bytea NOT NULL,"
    "  digest text NOT NULL,"
    "  chain text NOT NULL);"
    "CREATE TABLE retractions("
    "  number bigint PRIMARY KEY,"
    "  seq bigint NOT NULL UNIQUE,"
    "  bytes bytea NOT NULL,"
    "  chain text NOT NULL);"
    "CREATE TABLE batches("
    "  batch_id bytea PRIMARY KEY,"
    "  source bytea NOT NULL,"
    "  received_unix_ms bigint NOT NULL,"
    "  state bigint NOT NULL,"
    "  report bytea NOT NULL,"
    "  payload bytea NOT NULL);";

struct Statement {
  const char* name;
  const char* sql;
};

constexpr Statement kStatements[] = {
    {"read",
     "SELECT seq, comparison_id, bytes, digest, chain FROM comparisons "
     "WHERE seq BETWEEN $1 AND $2 ORDER BY seq"},
    {"find",
     "SELECT seq, comparison_id, bytes, digest, chain FROM comparisons "
     "WHERE comparison_id = ANY($1::bytea[])"},
    {"append",
     "INSERT INTO comparisons SELECT seq, id, bytes, "
     "convert_from(digest, 'UTF8'), convert_from(chain, 'UTF8') "
     "FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], "
     "$5::bytea[]) AS added(seq, id, bytes, digest, chain)"},
    {"replace",
     "UPDATE comparisons SET bytes = changed.bytes "
     "FROM unnest($1::bigint[], $2::bytea[]) AS changed(seq, bytes) "
     "WHERE comparisons.seq = changed.seq"},
    {"last",
     "SELECT seq, chain, (SELECT max(number) FROM retractions) "
     "FROM comparisons ORDER BY seq DESC LIMIT 1"},
    {"read_retractions",
     "SELECT number, seq, bytes, chain FROM retractions "
     "WHERE number BETWEEN $1 AND $2 ORDER BY number"},
    {"append_retractions",
     "INSERT INTO retractions SELECT number, seq, bytes, "
     "convert_from(chain, 'UTF8') "
     "FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) "
     "AS added(number, seq, bytes, chain)"},
    {"list_batches",
     "SELECT batch_id, source, received_unix_ms, state, report FROM batches "
     "WHERE received_unix_ms < $1::bigint "
     "OR (received_unix_ms = $1::bigint AND batch_id > $2::bytea) "
     "ORDER BY received_unix_ms DESC, batch_id LIMIT $3::bigint"},
    {"get_batch",
     "SELECT batch_id, source, received_unix_ms, state, report, payload "
     "FROM batches WHERE batch_id = $1"},
    {"put_batch",
     "INSERT INTO batches VALUES ($1, $2, $3, $4, $5, $6) "
     "ON CONFLICT (batch_id) DO UPDATE SET source = EXCLUDED.source, "
     "received_unix_ms = EXCLUDED.received_unix_ms, state = EXCLUDED.state, "
     "report = EXCLUDED.report, payload = EXCLUDED.payload"},
};

absl::StatusOr<int64_t> QueryInt(PostgresSession& session,
                                 const std::string& sql) {
  RLHF_ASSIGN_OR_RETURN(const PostgresResult result, session.Query(sql));
  return result.num_rows() == 0 ? 0 : result.Int(0, 0);
}

// In pg_locks as in the call, so not negative.
int32_t LockKey(const std::string& schema) {
  return static_cast<int32_t>(Xxh3(schema) & 0x7fffffff);
}

absl::Status HeldElsewhere(PostgresSession& session,
                           const std::string& schema) {
  RLHF_ASSIGN_OR_RETURN(
      const PostgresResult holder,
      session.Query(absl::StrCat(
          "SELECT pid::bigint, application_name::text, "
          "coalesce(host(client_addr), 'the server itself')::text "
          "FROM pg_locks JOIN pg_stat_activity USING (pid) "
          "WHERE locktype = 'advisory' AND granted AND objsubid = 2 "
          "AND database = (SELECT oid FROM pg_database "
          "                WHERE datname = current_database()) "
          "AND classid = ",
          kLockClass, "::oid AND objid = ", LockKey(schema), "::oid")));
  const std::string who =
      holder.num_rows() == 0
          ? "(unknown)"
          : absl::StrCat(holder.Bytes(0, 1), " on ", holder.Bytes(0, 2),
                         " (session ", holder.Int(0, 0), ")");
  return absl::FailedPreconditionError(
      absl::StrCat(session.name(), ": the store ", schema, " is held by ", who,
                   ": stop that process first"));
}

}  // namespace

absl::StatusOr<std::string> PostgresSchemaOf(const std::string& run_name) {
  for (const char c : run_name) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains("-_.", c)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the name \"", run_name,
                       "\" has a character that no schema's name may have"));
    }
  }
  if (run_name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name \"", run_name, "\" has ", run_name.size(),
                     " bytes; a run in PostgreSQL may have ", kMaxNameBytes));
  }
  return absl::StrCat(kPrefix, run_name);
}

absl::StatusOr<bool> HasPostgresTables(PostgresSession& session,
                                       const std::string& schema) {
  RLHF_ASSIGN_OR_RETURN(
      const int64_t num_tables,
      QueryInt(session, absl::StrCat("SELECT count(*) FROM pg_tables "
                                     "WHERE schemaname = '",
                                     schema, "'")));
  return num_tables > 0;
}

absl::Status CreatePostgresTables(PostgresSession& session,
                                  const std::string& schema) {
  RLHF_ASSIGN_OR_RETURN(
      const int64_t num_schemas,
      QueryInt(session, absl::StrCat("SELECT count(*) FROM pg_namespace "
                                     "WHERE nspname = '",
                                     schema, "'")));
  RLHF_ASSIGN_OR_RETURN(const bool has_tables,
                        HasPostgresTables(session, schema));
  if (!has_tables) {
    // Several statements sent together are one transaction.
    return session.Execute(absl::StrCat(
        num_schemas == 0 ? absl::StrCat("CREATE SCHEMA \"", schema, "\";") : "",
        "SET search_path TO \"", schema, "\";", kTables));
  }
  RLHF_ASSIGN_OR_RETURN(
      const int64_t version,
      QueryInt(session, absl::StrCat("SELECT schema_version FROM \"", schema,
                                     "\".store")));
  if (version == kVersion) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(session.name(), ": the store ",
                                          schema, " has schema ", version,
                                          "; wanted ", kVersion));
}

absl::Status PreparePostgresStatements(PostgresSession& session,
                                       const std::string& schema) {
  RLHF_RETURN_IF_ERROR(
      session.Execute(absl::StrCat("SET search_path TO \"", schema, "\"")));
  for (const Statement& statement : kStatements) {
    RLHF_RETURN_IF_ERROR(session.Prepare(statement.name, statement.sql));
  }
  return absl::OkStatus();
}

absl::Status LockPostgresSchema(PostgresSession& session,
                                const std::string& schema,
                                absl::Time deadline) {
  const std::string sql =
      absl::StrCat("SELECT pg_try_advisory_lock(", kLockClass, ", ",
                   LockKey(schema), ")::int::bigint");
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const int64_t locked, QueryInt(session, sql));
    if (locked != 0) return absl::OkStatus();
    if (MonotonicNow() >= deadline || WaitForShutdown(kLockPause)) {
      return HeldElsewhere(session, schema);
    }
  }
}

}  // namespace rlhf
