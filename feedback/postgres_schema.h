// The tables of a preference store in PostgreSQL, their statements, and the
// lock that makes one process their only writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feedback/postgres.h"

namespace rlhf {

// The schema that keeps the store of a run: one database holds many runs.
// Errors: InvalidArgument if the name is too long (58 bytes) or has other
// characters than letters, digits, "-", "_" and ".".
absl::StatusOr<std::string> PostgresSchemaOf(const std::string& run_name);

// Whether there are tables in `schema`. Errors: as PostgresSession.
absl::StatusOr<bool> HasPostgresTables(PostgresSession& session,
                                       const std::string& schema);

// Makes the tables in `schema` if there are none at all, in one transaction.
//
// Errors: DataLoss if there are some, but none of a store of this version; as
// PostgresSession.
absl::Status CreatePostgresTables(PostgresSession& session,
                                  const std::string& schema);

// Makes `schema` the one that this session's statements mean, and prepares
// them.
absl::Status PreparePostgresStatements(PostgresSession& session,
                                       const std::string& schema);

// Takes the advisory lock of `schema`, which ends with the session. Tries until
// `deadline`: the session of a process that just ended may still be ending.
//
// Errors: FailedPrecondition, with who holds it; as PostgresSession.
absl::Status LockPostgresSchema(PostgresSession& session,
                                const std::string& schema, absl::Time deadline);

}  // namespace rlhf
