#include "feedback/plan_retraction.h"

#include <utility>

#include "core/base/hash.h"
#include "core/comparisons/choice.h"
#include "feedback/comparison_chain.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {
namespace {

v1::Retraction RecordOf(const RetractionReason& reason, const LogStats& stats) {
  v1::Retraction retraction;
  retraction.set_number(stats.num_retracted + 1);
  retraction.set_reason(reason.reason);
  retraction.set_who(reason.who);
  retraction.set_retracted_unix_ms(reason.now_unix_ms);
  retraction.set_worker_digest(reason.worker_digest);
  retraction.set_batch_id(reason.batch_id);
  retraction.set_replaced_by(reason.replaced_by);
  retraction.set_comparison_digest(reason.comparison_digest);
  return retraction;
}

void AddRecord(const v1::Retraction& retraction, TableChange& change,
               LogStats& stats) {
  RetractionRow row = MakeRetractionRow(retraction, stats.retraction_head);
  CountRetraction(retraction, stats);
  stats.retraction_head = row.chain;
  change.retractions.push_back(std::move(row));
}

}  // namespace

void PlanRetraction(const ComparisonRow& row, const v1::Comparison& comparison,
                    const RetractionReason& reason, TableChange& change,
                    LogStats& stats) {
  v1::Comparison left = TombstoneOf(comparison);
  left.set_replaced_by(reason.replaced_by);
  ComparisonRow tombstone = row;
  tombstone.bytes = left.SerializeAsString();

  v1::Retraction retraction = RecordOf(reason, stats);
  retraction.set_seq(row.seq);
  retraction.set_digest(row.digest);
  retraction.set_tombstone_digest(Sha256Hex(tombstone.bytes));
  retraction.set_taught_nothing(!MayTeach(comparison));
  if (reason.replaced_by > 0) {
    retraction.set_replaced_worker_digest(Sha256Hex(comparison.worker_id()));
  }
  AddRecord(retraction, change, stats);

  UncountContent(comparison, stats);
  CountTombstone(left, stats);
  change.replaced.push_back(std::move(tombstone));
}

void PlanBareRetraction(const RetractionReason& reason, TableChange& change,
                        LogStats& stats) {
  v1::Retraction retraction = RecordOf(reason, stats);
  // No comparison's, and no other retraction's: the tables want it unique.
  retraction.set_seq(-retraction.number());
  AddRecord(retraction, change, stats);
}

}  // namespace rlhf
