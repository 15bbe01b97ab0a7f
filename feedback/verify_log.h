// Reads the whole log of comparisons, proves it and counts what it holds.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "feedback/comparison_chain.h"
#include "feedback/comparison_table.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

struct LogStats {
  // Rows of the log, retracted ones among them.
  int64_t num_comparisons = 0;
  // Comparisons with a better side.
  int64_t num_decided = 0;
  std::string chain_head = ChainStart();
  // Comparisons of each worker, none of them 0.
  std::map<std::string, int64_t> num_by_worker;
  // Retractions, and comparisons that are retracted: a retraction may find
  // none.
  int64_t num_retracted = 0;
  int64_t num_tombstones = 0;
  // Of these, the ones that a newer answer replaced, which nobody took back.
  int64_t num_replaced = 0;
  // Taken back of each batch that has some.
  std::map<std::string, int64_t> tombstones_by_batch;
  std::string retraction_head = ChainStart();
  // What was retracted whole, with the number of the last retraction of it:
  // workers by the SHA-256 of their ids in hex, and batches.
  std::map<std::string, int64_t> retracted_workers;
  std::map<std::string, int64_t> retracted_batches;
  // What was retracted before it came into the log: the SHA-256 of the
  // comparison_ids, in hex.
  std::set<std::string> retracted_comparisons;

  LogPosition position() const {
    return {num_comparisons, chain_head, num_retracted};
  }
};

// Counts what `comparison` says into `stats`, or takes it out again. Neither
// the number of rows nor the chain follows.
void CountContent(const v1::Comparison& comparison, LogStats& stats);
void UncountContent(const v1::Comparison& comparison, LogStats& stats);

// Counts a comparison that is retracted.
void CountTombstone(const v1::Comparison& tombstone, LogStats& stats);

// Counts what `retraction`, the next one, says into `stats`. The chain does not
// follow.
void CountRetraction(const v1::Retraction& retraction, LogStats& stats);

// Recomputes both chains over `table`. `known`, if not null, is a state that
// the log was in before: it must still begin so.
//
// Errors:
//   DataLoss  a row was changed, is missing or out of place; its text is gone
//             and no retraction says so; or rows of `known` are not there
//   and those of the table
absl::StatusOr<LogStats> VerifyLog(ComparisonTable& table,
                                   const LogPosition* known);

}  // namespace rlhf
