#include "core/base/interval.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {

Interval WilsonInterval(double correct, double total, double quantile) {
  RLHF_CHECK(correct >= 0 && correct <= total) << correct << " of " << total;
  if (total == 0) return {};
  const double share = correct / total;
  const double z2_over_n = quantile * quantile / total;
  const double center = (share + z2_over_n / 2) / (1 + z2_over_n);
  const double half_width =
      quantile *
      std::sqrt(share * (1 - share) / total + z2_over_n / (4 * total)) /
      (1 + z2_over_n);
  return {.low = std::max(0.0, center - half_width),
          .high = std::min(1.0, center + half_width)};
}

}  // namespace rlhf
