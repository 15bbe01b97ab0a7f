// The staleness rule: which policy versions may feed which update.
#pragma once

#include <cstdint>

namespace rlhf {

// Update u (from 1) starts from policy version u - 1 and makes version u. A
// rollout may feed it if it was sampled by a version at most `max_staleness`
// older than that. With 0 the loop is synchronous, as in the paper. Work is
// bounded by admission, when a prompt is leased, never by throwing finished
// work away.
//
// This is AReaL's rule (Fu et al. 2025, arXiv:2505.24298, §5.1): the N-th
// rollout of the run, in batches of B, may be begun by version i if
//   floor((N - 1) / B) <= i + eta,
// where floor((N - 1) / B) is u - 1 and eta is `max_staleness`.
class StalenessGate {
 public:
  explicit StalenessGate(int64_t max_staleness)
      : max_staleness_(max_staleness) {}

  // The oldest version that may sample for update `update`.
  int64_t MinVersion(int64_t update) const {
    const int64_t oldest = update - 1 - max_staleness_;
    return oldest < 0 ? 0 : oldest;
  }

  bool Admits(int64_t policy_version, int64_t update) const {
    return policy_version >= MinVersion(update) && policy_version < update;
  }

 private:
  const int64_t max_staleness_;
};

}  // namespace rlhf
