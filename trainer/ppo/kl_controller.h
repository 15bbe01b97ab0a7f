// A KL coefficient that follows a target.
#pragma once

#include <cstdint>

namespace rlhf {

struct KlControllerOptions {
  // The KL per response to hold, nats; > 0.
  double target_nats = 6;
  // Rollouts in which the coefficient can change by about a fifth; > 0.
  int64_t horizon_rollouts = 10000;
};

// Returns the coefficient for the next update:
//   beta * (1 + clip(KL / target - 1, -0.2, 0.2) * min(1, n / horizon))
// after an update on `num_rollouts` = n rollouts whose mean KL per response was
// `kl_nats` (Ziegler et al. 2019, arXiv:1909.08593, eq. 2; code
// openai/lm-human-preferences). Pure. Dies if the KL is not finite.
double NextKlCoefficient(double kl_coefficient, double kl_nats,
                         int64_t num_rollouts,
                         const KlControllerOptions& options);

}  // namespace rlhf
