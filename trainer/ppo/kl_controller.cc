#include "trainer/ppo/kl_controller.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {

double NextKlCoefficient(double kl_coefficient, double kl_nats,
                         int64_t num_rollouts,
                         const KlControllerOptions& options) {
  RLHF_CHECK(std::isfinite(kl_nats)) << kl_nats;
  RLHF_CHECK(options.target_nats > 0 && options.horizon_rollouts > 0);
  const double error = std::clamp(kl_nats / options.target_nats - 1, -0.2, 0.2);
  // A batch beyond the horizon counts as one horizon: the factor stays
  // positive.
  const double share =
      std::min(1.0, static_cast<double>(num_rollouts) /
                        static_cast<double>(options.horizon_rollouts));
  return kl_coefficient * (1 + error * share);
}

}  // namespace rlhf
