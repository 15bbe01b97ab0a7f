#include "trainer/ppo/packed_lengths.h"

#include "core/base/check.h"

namespace rlhf {

void CheckPacked(const at::Tensor& values_N,
                 absl::Span<const int64_t> lengths) {
  int64_t total = 0;
  for (const int64_t length : lengths) {
    RLHF_CHECK(length >= 1) << "a response of " << length << " tokens";
    total += length;
  }
  RLHF_CHECK(values_N.dim() == 1 && values_N.size(0) == total)
      << "a tensor of shape " << values_N.sizes() << " for " << lengths.size()
      << " responses of " << total << " tokens";
}

std::vector<int64_t> LastPositions(absl::Span<const int64_t> lengths) {
  std::vector<int64_t> positions;
  positions.reserve(lengths.size());
  int64_t end = 0;
  for (const int64_t length : lengths) {
    end += length;
    positions.push_back(end - 1);
  }
  return positions;
}

}  // namespace rlhf
