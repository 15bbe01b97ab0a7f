// The arithmetic of the log: digests, the chain over them, and what is left of
// a comparison that was retracted. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "feedback/comparison_table.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

// The rows hold serialized messages b_1, b_2, …, and
//   chain_0 = 64 zeros
//   chain_n = SHA-256 in hex of chain_{n-1} followed by SHA-256 in hex of b_n
// so that chain_n names the first n rows, order and all, and still does when
// the bytes of some are gone and their digests are left.
std::string ChainStart();
std::string ChainLink(const std::string& previous, const std::string& digest);

// The row for `comparison`, whose seq is set, after a row with chain `head`.
ComparisonRow MakeComparisonRow(const v1::Comparison& comparison,
                                const std::string& head);

// The row for `retraction`, whose number is set, after one with chain `head`.
RetractionRow MakeRetractionRow(const v1::Retraction& retraction,
                                const std::string& head);

// Errors: DataLoss if the bytes are no comparison with the row's seq; it names
// `table`.
absl::StatusOr<v1::Comparison> DecodeRow(const ComparisonRow& row,
                                         const std::string& table);
absl::StatusOr<v1::Retraction> DecodeRow(const RetractionRow& row,
                                         const std::string& table);

// What stays of a comparison: its place, ids, versions and origin. Texts,
// worker and judgement are gone.
v1::Comparison TombstoneOf(const v1::Comparison& comparison);

}  // namespace rlhf
