// How much of the returns the value head foresaw.
#pragma once

#include "trainer/ppo/whiten.h"

namespace rlhf {

// Returns 1 - Var(return - value) / Var(return): 1 is perfect, 0 no better than
// a constant, negative worse. `residuals` are the moments of return - value,
// over the same tokens (of all ranks) as `returns`. Returns that do not vary
// give 0: there was nothing to explain.
double ExplainedVariance(const Moments& returns, const Moments& residuals);

}  // namespace rlhf
