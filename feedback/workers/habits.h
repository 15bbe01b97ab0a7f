// Habits of a worker that have nothing to do with what is said: to take the
// left side, or the longer response.
#pragma once

#include <cstdint>
#include <optional>

#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// A share of `count` cases with its 95 % interval (Wilson 1927). Without a case
// the interval is all of [0, 1] and the share a half.
struct ShareEstimate {
  double share = 0.5;
  double low = 0;
  double high = 1;
  int64_t count = 0;
};

// `hits` of `count`, 0 <= hits <= count.
ShareEstimate EstimateShare(int64_t hits, int64_t count);

// Whether the response that the worker picked was on the left; nullopt if none
// was picked. In a red-team task the worker picks the worse one.
std::optional<bool> PickedLeft(const v1::Comparison& comparison);

// Whether the response that is stored as better is the longer one, in bytes;
// nullopt if none is better or both are equally long.
std::optional<bool> PreferredLonger(const v1::Comparison& comparison);

// Counts of one worker. What people are right to prefer is often longer: the
// longer share says something beside that of all workers only.
class Habits {
 public:
  void Add(const v1::Comparison& comparison);

  ShareEstimate left() const { return EstimateShare(num_left_, num_sided_); }
  ShareEstimate longer() const {
    return EstimateShare(num_longer_, num_unequal_);
  }

 private:
  int64_t num_left_ = 0;
  int64_t num_sided_ = 0;
  int64_t num_longer_ = 0;
  int64_t num_unequal_ = 0;
};

}  // namespace rlhf
