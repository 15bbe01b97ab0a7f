#include "feedback/comparison_chain.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"

namespace rlhf {

std::string ChainStart() { return std::string(64, '0'); }

std::string ChainLink(const std::string& previous, const std::string& digest) {
  return Sha256Hex(previous + digest);
}

ComparisonRow MakeComparisonRow(const v1::Comparison& comparison,
                                const std::string& head) {
  ComparisonRow row = {.seq = comparison.seq(),
                       .comparison_id = comparison.comparison_id(),
                       .bytes = comparison.SerializeAsString()};
  row.digest = Sha256Hex(row.bytes);
  row.chain = ChainLink(head, row.digest);
  return row;
}

RetractionRow MakeRetractionRow(const v1::Retraction& retraction,
                                const std::string& head) {
  RetractionRow row = {.number = retraction.number(),
                       .seq = retraction.seq(),
                       .bytes = retraction.SerializeAsString()};
  row.chain = ChainLink(head, Sha256Hex(row.bytes));
  return row;
}

absl::StatusOr<v1::Comparison> DecodeRow(const ComparisonRow& row,
                                         const std::string& table) {
  v1::Comparison comparison;
  if (!comparison.ParseFromString(row.bytes) || comparison.seq() != row.seq ||
      comparison.comparison_id() != row.comparison_id) {
    return absl::DataLossError(
        absl::StrCat(table, ": comparison ", row.seq, " cannot be read"));
  }
  return comparison;
}

absl::StatusOr<v1::Retraction> DecodeRow(const RetractionRow& row,
                                         const std::string& table) {
  v1::Retraction retraction;
  if (!retraction.ParseFromString(row.bytes) ||
      retraction.number() != row.number || retraction.seq() != row.seq) {
    return absl::DataLossError(
        absl::StrCat(table, ": retraction ", row.number, " cannot be read"));
  }
  return retraction;
}

v1::Comparison TombstoneOf(const v1::Comparison& comparison) {
  v1::Comparison tombstone;
  tombstone.set_seq(comparison.seq());
  tombstone.set_comparison_id(comparison.comparison_id());
  tombstone.mutable_prompt()->set_prompt_id(comparison.prompt().prompt_id());
  tombstone.set_choice(v1::RETRACTED);
  tombstone.set_policy_version_a(comparison.policy_version_a());
  tombstone.set_policy_version_b(comparison.policy_version_b());
  tombstone.set_pm_version(comparison.pm_version());
  tombstone.set_batch_id(comparison.batch_id());
  tombstone.set_source(comparison.source());
  tombstone.set_task_kind(comparison.task_kind());
  tombstone.set_extra(comparison.extra());
  tombstone.set_committed_unix_ms(comparison.committed_unix_ms());
  return tombstone;
}

}  // namespace rlhf
