// How well a score tells two kinds of examples apart.
#pragma once

#include "absl/types/span.h"
#include "trainer/preference/calibration.h"

namespace rlhf {

struct Auroc {
  // The probability that an outlier scores above an ordinary example, ties
  // counting half. 0.5 if there is no example of a kind.
  double value = 0.5;
  // At 95 %: value ± 1.96 standard errors of DeLong et al. 1988 (Biometrics
  // 44:837), within [0, 1]. Where the error is 0 or unknown (the kinds are
  // wholly apart, or one is a single example), Wilson's for as many pairs as
  // the rarer kind has examples: pairs that share no example are independent.
  Interval interval;
};

// O(n log n). Dies on a score that is not finite.
Auroc ComputeAuroc(absl::Span<const double> ordinary,
                   absl::Span<const double> outliers);

}  // namespace rlhf
