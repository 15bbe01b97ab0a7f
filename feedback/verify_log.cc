#include "feedback/verify_log.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

// Rows read at once.
constexpr int64_t kPageRows = 500;

struct RetractedRow {
  std::string digest;
  std::string tombstone_digest;
};
// By seq.
using RetractedRows = std::unordered_map<int64_t, RetractedRow>;

absl::Status Broken(const std::string& table, absl::string_view chain,
                    int64_t place) {
  return absl::DataLossError(
      absl::StrCat(table, ": the hash chain breaks at ", chain, " ", place,
                   ": the log was changed after it was written"));
}

absl::StatusOr<RetractedRows> VerifyRetractions(ComparisonTable& table,
                                                LogStats& stats) {
  RetractedRows retracted;
  while (true) {
    const int64_t first = stats.num_retracted + 1;
    RLHF_ASSIGN_OR_RETURN(const std::vector<RetractionRow> page,
                          table.ReadRetractions(first, first + kPageRows - 1));
    if (page.empty()) return retracted;
    for (const RetractionRow& row : page) {
      const int64_t number = stats.num_retracted + 1;
      stats.retraction_head =
          ChainLink(stats.retraction_head, Sha256Hex(row.bytes));
      if (row.number != number || row.chain != stats.retraction_head) {
        return Broken(table.name(), "retraction", number);
      }
      RLHF_ASSIGN_OR_RETURN(const v1::Retraction retraction,
                            DecodeRow(row, table.name()));
      CountRetraction(retraction, stats);
      retracted[row.seq] = {retraction.digest(), retraction.tombstone_digest()};
    }
  }
}

// That the row's bytes are what was appended, or what a retraction left of it.
absl::Status VerifyBytes(const ComparisonRow& row,
                         const RetractedRows& retracted,
                         const std::string& table) {
  const std::string digest = Sha256Hex(row.bytes);
  const auto found = retracted.find(row.seq);
  if (digest == row.digest) {
    if (found == retracted.end()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(table, ": comparison ", row.seq,
                     " was retracted, and its text is there again"));
  }
  if (found == retracted.end()) {
    v1::Comparison left;
    if (left.ParseFromString(row.bytes) && left.choice() == v1::RETRACTED) {
      return absl::DataLossError(
          absl::StrCat(table, ": the text of comparison ", row.seq,
                       " is gone, and no retraction says why"));
    }
    return Broken(table, "comparison", row.seq);
  }
  if (found->second.digest != row.digest ||
      found->second.tombstone_digest != digest) {
    return Broken(table, "comparison", row.seq);
  }
  return absl::OkStatus();
}

absl::Status VerifyRow(const ComparisonRow& row, const RetractedRows& retracted,
                       const std::string& table, LogStats& stats) {
  const int64_t seq = stats.num_comparisons + 1;
  const std::string chain = ChainLink(stats.chain_head, row.digest);
  if (row.seq != seq || row.chain != chain) {
    return Broken(table, "comparison", seq);
  }
  RLHF_RETURN_IF_ERROR(VerifyBytes(row, retracted, table));
  RLHF_ASSIGN_OR_RETURN(const v1::Comparison comparison, DecodeRow(row, table));
  ++stats.num_comparisons;
  stats.chain_head = chain;
  if (comparison.choice() == v1::RETRACTED) CountTombstone(comparison, stats);
  CountContent(comparison, stats);
  return absl::OkStatus();
}

absl::Status Missing(const std::string& table, int64_t found, int64_t known,
                     absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(table, ": the log, of ", found, " ", what,
                   ", does not begin with the ", known,
                   " that were acknowledged: an older or another state of it "
                   "was put in its place"));
}

}  // namespace

void CountContent(const v1::Comparison& comparison, LogStats& stats) {
  if (comparison.choice() == v1::RETRACTED) return;
  if (IsTrainable(comparison)) ++stats.num_decided;
  ++stats.num_by_worker[comparison.worker_id()];
}

void UncountContent(const v1::Comparison& comparison, LogStats& stats) {
  if (comparison.choice() == v1::RETRACTED) return;
  if (IsTrainable(comparison)) --stats.num_decided;
  const auto worker = stats.num_by_worker.find(comparison.worker_id());
  if (worker != stats.num_by_worker.end() && --worker->second == 0) {
    stats.num_by_worker.erase(worker);
  }
}

void CountTombstone(const v1::Comparison& tombstone, LogStats& stats) {
  ++stats.num_tombstones;
  if (tombstone.replaced_by() > 0) {
    ++stats.num_replaced;
    return;
  }
  if (!tombstone.batch_id().empty()) {
    ++stats.tombstones_by_batch[tombstone.batch_id()];
  }
}

void CountRetraction(const v1::Retraction& retraction, LogStats& stats) {
  ++stats.num_retracted;
  if (!retraction.worker_digest().empty()) {
    stats.retracted_workers[retraction.worker_digest()] = retraction.number();
  }
  if (!retraction.batch_id().empty()) {
    stats.retracted_batches[retraction.batch_id()] = retraction.number();
  }
  if (!retraction.comparison_digest().empty()) {
    stats.retracted_comparisons.insert(retraction.comparison_digest());
  }
}

absl::StatusOr<LogStats> VerifyLog(ComparisonTable& table,
                                   const LogPosition* known) {
  LogStats stats;
  RLHF_ASSIGN_OR_RETURN(const RetractedRows retracted,
                        VerifyRetractions(table, stats));
  bool known_is_there = known == nullptr || known->num_comparisons == 0;
  std::vector<ComparisonRow> page;
  do {
    const int64_t first = stats.num_comparisons + 1;
    RLHF_ASSIGN_OR_RETURN(page, table.Read(first, first + kPageRows - 1));
    for (const ComparisonRow& row : page) {
      RLHF_RETURN_IF_ERROR(VerifyRow(row, retracted, table.name(), stats));
      known_is_there =
          known_is_there || (row.seq == known->num_comparisons &&
                             stats.chain_head == known->chain_head);
    }
  } while (!page.empty());
  for (const auto& [seq, row] : retracted) {
    if (seq > stats.num_comparisons) {
      return Broken(table.name(), "comparison", stats.num_comparisons + 1);
    }
  }
  if (!known_is_there) {
    return Missing(table.name(), stats.num_comparisons, known->num_comparisons,
                   "comparisons");
  }
  if (known != nullptr && stats.num_retracted < known->num_retracted) {
    return Missing(table.name(), stats.num_retracted, known->num_retracted,
                   "retractions");
  }
  return stats;
}

}  // namespace rlhf
