// Where the preference store keeps its rows: a database that commits a change
// whole or not at all. It decides nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "feedback/batch.h"

namespace rlhf {

struct ComparisonRow {
  int64_t seq = 0;
  std::string comparison_id;
  // A serialized v1::Comparison.
  std::string bytes;
  // SHA-256 in hex of the bytes as they were appended; stays when they go.
  std::string digest;
  // The hash chain up to this row.
  std::string chain;
};

struct RetractionRow {
  // From 1, without gaps.
  int64_t number = 0;
  // The comparison that was retracted.
  int64_t seq = 0;
  // A serialized v1::Retraction.
  std::string bytes;
  // The chain of retractions up to this row.
  std::string chain;
};

// The log that a change was made for: its last rows.
struct LogPosition {
  int64_t num_comparisons = 0;
  std::string chain_head;
  int64_t num_retracted = 0;

  bool operator==(const LogPosition&) const = default;
};

struct TableChange {
  LogPosition base;
  // In order of seq, after the base.
  std::vector<ComparisonRow> appended;
  // Rows whose `bytes` take the place of those of the same seq.
  std::vector<ComparisonRow> replaced;
  // In order of number, after the base.
  std::vector<RetractionRow> retractions;
  // Added, or put in the place of those with the same batch_id.
  std::vector<StoredBatch> batches;
};

// One process has the table. Errors of every method:
//   ResourceExhausted  the disk is full
//   DataLoss           the database is damaged
//   Unavailable        the database cannot be reached, or failed
// Messages name the database. Thread-compatible.
class ComparisonTable {
 public:
  virtual ~ComparisonTable() = default;

  // The database as messages name it, without secrets.
  virtual const std::string& name() const = 0;

  // The rows with first_seq <= seq <= last_seq that exist, in order.
  virtual absl::StatusOr<std::vector<ComparisonRow>> Read(int64_t first_seq,
                                                          int64_t last_seq) = 0;

  // The rows that have one of these comparison_ids, in any order.
  virtual absl::StatusOr<std::vector<ComparisonRow>> Find(
      absl::Span<const std::string> comparison_ids) = 0;

  virtual absl::StatusOr<std::vector<RetractionRow>> ReadRetractions(
      int64_t first_number, int64_t last_number) = 0;

  // The first `limit` batches after `after`, without their payloads.
  virtual absl::StatusOr<std::vector<StoredBatch>> ListBatches(
      const BatchCursor& after, int64_t limit) = 0;
  virtual absl::StatusOr<std::optional<StoredBatch>> GetBatch(
      const std::string& batch_id) = 0;

  // Makes the change: all of it is durable when this returns OK, and none of it
  // is there otherwise, but after Unavailable, which may come too late to know;
  // the next call says Aborted then if it was.
  //
  // Errors: also Aborted if the log is not at `change.base`; nothing changed.
  virtual absl::Status Commit(const TableChange& change) = 0;

  // Removes what earlier changes may have left of replaced bytes in files, as
  // far as the database can.
  virtual absl::Status EraseTraces() = 0;

  // Copies the whole table into a new file and verifies the copy.
  //
  // Errors: also AlreadyExists if there is such a file, Unimplemented if the
  // database has tools of its own for that, which the message names.
  virtual absl::Status BackupTo(const std::string& path) = 0;
};

}  // namespace rlhf
