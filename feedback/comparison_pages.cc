#include "feedback/comparison_pages.h"

#include <algorithm>

#include "core/base/status_macros.h"

namespace rlhf {

absl::Status ForEachComparison(
    int64_t first_seq, int64_t last_seq, const ComparisonReader& read,
    const std::function<absl::Status(const v1::Comparison&)>& take) {
  for (int64_t seq = first_seq; seq <= last_seq; seq += kComparisonsAtOnce) {
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<v1::Comparison> page,
        read(seq, std::min(last_seq, seq + kComparisonsAtOnce - 1)));
    for (const v1::Comparison& comparison : page) {
      RLHF_RETURN_IF_ERROR(take(comparison));
    }
  }
  return absl::OkStatus();
}

}  // namespace rlhf
