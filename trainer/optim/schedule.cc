#include "trainer/optim/schedule.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {

double LearningRate(const Schedule& schedule, int64_t rollouts_seen) {
  RLHF_CHECK(rollouts_seen >= 0) << rollouts_seen;
  double rate = schedule.learning_rate;
  if (schedule.warmup_rollouts > 0) {
    const double share = static_cast<double>(rollouts_seen) /
                         static_cast<double>(schedule.warmup_rollouts);
    rate *= std::min(1.0, share);
  }
  if (schedule.halve_every_rollouts > 0) {
    const int64_t halvings = rollouts_seen / schedule.halve_every_rollouts;
    rate *= std::pow(0.5, static_cast<double>(halvings));
  }
  return rate;
}

}  // namespace rlhf
