#include "trainer/ppo/explained_variance.h"

namespace rlhf {

double ExplainedVariance(const Moments& returns, const Moments& residuals) {
  if (returns.variance == 0) return 0;
  return 1 - residuals.variance / returns.variance;
}

}  // namespace rlhf
