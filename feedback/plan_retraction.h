// What a retraction makes of the log. Decides alone; touches no database.
#pragma once

#include <cstdint>
#include <string>

#include "feedback/comparison_table.h"
#include "feedback/verify_log.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Who takes back, why and when.
struct RetractionReason {
  std::string reason;
  std::string who;
  int64_t now_unix_ms = 0;
  // What is retracted whole, or waited, if anything: as in v1::Retraction.
  std::string worker_digest;
  std::string batch_id;
  std::string comparison_digest;
  // The newer answer that takes its place; 0: none does.
  int64_t replaced_by = 0;
};

// Adds to `change` what takes back the comparison of `row`, which is not
// retracted yet, and brings `stats` to the state after it.
void PlanRetraction(const ComparisonRow& row, const v1::Comparison& comparison,
                    const RetractionReason& reason, TableChange& change,
                    LogStats& stats);

// The same where no comparison is left to take back: the record alone.
void PlanBareRetraction(const RetractionReason& reason, TableChange& change,
                        LogStats& stats);

}  // namespace rlhf
