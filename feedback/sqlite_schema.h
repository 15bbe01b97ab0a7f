// The tables of a preference store in SQLite, and how those of an older schema
// become those of this one.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "feedback/sqlite.h"

namespace rlhf {

// "rlhf" as a number: tells our files from other SQLite databases.
constexpr int64_t kStoreApplicationId = 0x726c6866;
constexpr int64_t kStoreSchemaVersion = 2;

// Makes the empty tables in an empty database.
absl::Status CreateStoreTables(SqliteDatabase& database);

// Makes a store of schema 1 one of schema 2, in one transaction. In schema 1
// the chain runs over the rows' bytes, so that none could ever be taken back;
// the heads change. Before, the whole database is copied to `path`.v1, and the
// copy is verified; one that is there already is used if it ends alike.
//
// Errors:
//   DataLoss            the old chain does not hold
//   AlreadyExists       `path`.v1 is something else
//   and those of SqliteDatabase
absl::Status MigrateFromSchema1(SqliteDatabase& database,
                                const std::string& path);

}  // namespace rlhf
