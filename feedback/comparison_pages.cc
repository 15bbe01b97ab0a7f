#include "feedback/comparison_pages.h"

#include <algorithm>

#include "core/base/status_macros.h"

namespace rlhf {

absl::Status ForEachComparison(
    int64_t num_comparisons, const ComparisonReader& read,
    const std::function<absl::Status(const v1::Comparison&)>& take) {
  for (int64_t seq = 1; seq <= num_comparisons; seq += kComparisonsAtOnce) {
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<v1::Comparison> page,
        read(seq, std::min(num_comparisons, seq + kComparisonsAtOnce - 1)));
    for (const v1::Comparison& comparison : page) {
      RLHF_RETURN_IF_ERROR(take(comparison));
    }
  }
  return absl::OkStatus();
}

}  // namespace rlhf
