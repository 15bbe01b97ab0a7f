// What appending comparisons makes of the log: which rows are new, which were
// there before, which are refused. Decides alone; touches no database.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "feedback/comparison_table.h"
#include "feedback/verify_log.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct AppendedComparison {
  int64_t seq = 0;
  // It was committed before; nothing was written.
  bool duplicate = false;
  // It is in the log as an extra answer.
  bool extra = false;
};

// Several requests for one commit. Each is taken whole or not at all.
class AppendPlan {
 public:
  // `stored` are the comparisons of the log, now at `base`, that have one of
  // the comparison_ids to come. `now_unix_ms` becomes the commit time.
  AppendPlan(const LogPosition& base, std::vector<v1::Comparison> stored,
             int64_t now_unix_ms);

  // A comparison_id that was seen before with the same content is a duplicate;
  // so is every comparison_id that was retracted, whatever it brings.
  //
  // Errors:
  //   InvalidArgument  comparison_id is empty, the choice RETRACTED, or a text
  //                    not UTF-8
  //   AlreadyExists    the comparison_id is taken by another content
  absl::StatusOr<std::vector<AppendedComparison>> Add(
      absl::Span<const v1::Comparison> comparisons);

  // The new rows, in order.
  const std::vector<ComparisonRow>& rows() const { return rows_; }

  // Brings `stats` to the state after the rows.
  void CountInto(LogStats& stats) const;

 private:
  absl::StatusOr<AppendedComparison> AddOne(const v1::Comparison& comparison);
  void RemoveAfter(size_t num_rows);

  const int64_t num_before_;
  const std::string head_before_;
  const int64_t now_unix_ms_;
  // Of the log and of the new rows.
  std::unordered_map<std::string, v1::Comparison> by_id_;
  std::vector<ComparisonRow> rows_;
};

}  // namespace rlhf
