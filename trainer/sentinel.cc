#include "trainer/sentinel.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace rlhf {
namespace {

// Over updates `begin` to `begin + count`.
WatchedReward MeanOf(const std::vector<WatchedReward>& updates, size_t begin,
                     size_t count) {
  WatchedReward mean;
  for (size_t i = begin; i < begin + count; ++i) {
    mean.train += updates[i].train / static_cast<double>(count);
    mean.test += updates[i].test / static_cast<double>(count);
  }
  return mean;
}

}  // namespace

std::string FindOverOptimisation(const std::vector<WatchedReward>& updates,
                                 const v1::SentinelConfig& config) {
  const auto window = static_cast<size_t>(config.window());
  if (window == 0 || updates.size() < window) return "";
  const size_t half = std::max<size_t>(1, window / 2);
  const size_t last = updates.size() - half;
  const WatchedReward now = MeanOf(updates, last, half);
  WatchedReward best = MeanOf(updates, 0, half);
  for (size_t begin = 1; begin <= last; ++begin) {
    const WatchedReward mean = MeanOf(updates, begin, half);
    if (mean.test > best.test) best = mean;
  }
  if (best.test - now.test <= config.max_test_drop() ||
      now.train < best.train) {
    return "";
  }
  return absl::StrFormat(
      "the test PM's anchored score fell from %+.3f to %+.3f (limit %.3f) "
      "while the reward went from %+.3f to %+.3f",
      best.test, now.test, config.max_test_drop(), best.train, now.train);
}

}  // namespace rlhf
