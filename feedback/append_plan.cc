#include "feedback/append_plan.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/comparison_chain.h"

namespace rlhf {
namespace {

// What the client sent, without what the store set, without the time that the
// service measured, which grows with every retry, without whether there was a
// place for it, and without what an import made of its file's name: a copy
// under another name is no other comparison.
std::string ContentOf(v1::Comparison comparison) {
  comparison.clear_seq();
  comparison.clear_committed_unix_ms();
  // What was stored before the field was there does not say it.
  comparison.clear_sides_known();
  comparison.clear_judgement_key();
  comparison.clear_judged_unix_ms();
  comparison.clear_extra();
  if (IsJudgedHere(comparison)) comparison.clear_worker_seconds();
  if (IsImported(comparison)) {
    if (comparison.worker_id() == comparison.source()) {
      comparison.clear_worker_id();
    }
    comparison.clear_source();
  }
  return comparison.SerializeAsString();
}

}  // namespace

AppendPlan::AppendPlan(const LogPosition& base,
                       std::vector<v1::Comparison> stored, int64_t now_unix_ms)
    : num_before_(base.num_comparisons),
      head_before_(base.chain_head),
      now_unix_ms_(now_unix_ms) {
  for (v1::Comparison& comparison : stored) {
    std::string id = comparison.comparison_id();
    by_id_.emplace(std::move(id), std::move(comparison));
  }
}

absl::StatusOr<std::vector<AppendedComparison>> AppendPlan::Add(
    absl::Span<const v1::Comparison> comparisons) {
  const size_t num_rows = rows_.size();
  std::vector<AppendedComparison> result;
  result.reserve(comparisons.size());
  for (const v1::Comparison& comparison : comparisons) {
    const auto appended = AddOne(comparison);
    if (!appended.ok()) {
      RemoveAfter(num_rows);
      return appended.status();
    }
    result.push_back(*appended);
  }
  return result;
}

absl::StatusOr<AppendedComparison> AppendPlan::AddOne(
    const v1::Comparison& comparison) {
  if (comparison.comparison_id().empty()) {
    return absl::InvalidArgumentError("comparison_id is empty");
  }
  if (comparison.choice() == v1::RETRACTED) {
    return absl::InvalidArgumentError(
        absl::StrCat("comparison \"", comparison.comparison_id(),
                     "\" has the choice RETRACTED, which only the store sets"));
  }
  const auto stored = by_id_.find(comparison.comparison_id());
  if (stored != by_id_.end()) {
    if (stored->second.choice() != v1::RETRACTED &&
        ContentOf(stored->second) != ContentOf(comparison)) {
      return absl::AlreadyExistsError(absl::StrCat(
          "comparison_id \"", comparison.comparison_id(),
          "\" was saved before with another content (seq ",
          stored->second.seq(), "): make a new id for a new comparison"));
    }
    return AppendedComparison{.seq = stored->second.seq(),
                              .duplicate = true,
                              .extra = stored->second.extra()};
  }
  v1::Comparison added = comparison;
  added.set_seq(num_before_ + static_cast<int64_t>(rows_.size()) + 1);
  added.set_committed_unix_ms(now_unix_ms_);
  ComparisonRow row = MakeComparisonRow(
      added, rows_.empty() ? head_before_ : rows_.back().chain);
  // A log with a row that cannot be read is lost as a whole.
  if (!v1::Comparison().ParseFromString(row.bytes)) {
    return absl::InvalidArgumentError(
        "the comparison holds text that is not UTF-8");
  }
  rows_.push_back(std::move(row));
  const int64_t seq = added.seq();
  by_id_.emplace(comparison.comparison_id(), std::move(added));
  return AppendedComparison{
      .seq = seq, .duplicate = false, .extra = comparison.extra()};
}

void AppendPlan::RemoveAfter(size_t num_rows) {
  while (rows_.size() > num_rows) {
    by_id_.erase(rows_.back().comparison_id);
    rows_.pop_back();
  }
}

void AppendPlan::CountInto(LogStats& stats) const {
  for (const ComparisonRow& row : rows_) {
    ++stats.num_comparisons;
    stats.chain_head = row.chain;
    CountContent(by_id_.at(row.comparison_id), stats);
  }
}

}  // namespace rlhf
