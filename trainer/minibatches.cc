#include "trainer/minibatches.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"

namespace rlhf {

std::vector<std::vector<int64_t>> CutIntoMinibatches(
    std::vector<int64_t> samples, int64_t count, uint64_t key) {
  std::sort(samples.begin(), samples.end(), [key](int64_t a, int64_t b) {
    return std::pair(MixHash(key, a), a) < std::pair(MixHash(key, b), b);
  });
  const auto size = static_cast<int64_t>(samples.size());
  const int64_t pieces = std::min(count, size);
  std::vector<std::vector<int64_t>> minibatches;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    minibatches.emplace_back(samples.begin() + size * piece / pieces,
                             samples.begin() + size * (piece + 1) / pieces);
  }
  return minibatches;
}

}  // namespace rlhf
