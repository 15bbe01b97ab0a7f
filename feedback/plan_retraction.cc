#include "feedback/plan_retraction.h"

#include <utility>

#include "core/base/hash.h"
#include "feedback/comparison_chain.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

void PlanRetraction(const ComparisonRow& row, const v1::Comparison& comparison,
                    const RetractionReason& reason, TableChange& change,
                    LogStats& stats) {
  ComparisonRow tombstone = row;
  tombstone.bytes = TombstoneOf(comparison).SerializeAsString();

  v1::Retraction retraction;
  retraction.set_number(stats.num_retracted + 1);
  retraction.set_seq(row.seq);
  retraction.set_reason(reason.reason);
  retraction.set_who(reason.who);
  retraction.set_retracted_unix_ms(reason.now_unix_ms);
  retraction.set_digest(row.digest);
  retraction.set_tombstone_digest(Sha256Hex(tombstone.bytes));
  RetractionRow record = MakeRetractionRow(retraction, stats.retraction_head);

  UncountContent(comparison, stats);
  ++stats.num_retracted;
  stats.retraction_head = record.chain;
  change.replaced.push_back(std::move(tombstone));
  change.retractions.push_back(std::move(record));
}

}  // namespace rlhf
