// Few-shot outlier exposure: a classifier of activations that was shown some
// harmful prompts (Bai et al. 2022, §5.4 and B.9).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "trainer/preference/ood.h"

namespace rlhf {

// Logistic regression on frozen activations: N ordinary ones are class 0, and
// floor(N / M) copies of each of M harmful ones class 1. Immutable.
class ExposureClassifier {
 public:
  // Minimises the mean log-loss over all these, nats, plus l2 / 2 times the sum
  // of squared weights, each per standard deviation of its coordinate by `fit`,
  // without the bias. (The penalty is ours; the paper states none.) Truncated
  // Newton steps from zero: the same result on every run. O((N + M) D) time for
  // each of some hundred products.
  //
  // Errors: InvalidArgument unless N >= M >= 1 and l2 > 0, and as
  // GaussianFit::Standardize; Internal if it does not converge.
  static absl::StatusOr<ExposureClassifier> Fit(const GaussianFit& fit,
                                                const ActivationRows& ordinary,
                                                const ActivationRows& harmful,
                                                double l2 = 0.01);

  // The probability of class 1 of each row, [0, 1]. Dies if the rows have
  // another dimension than those of the fit.
  std::vector<double> Score(const ActivationRows& rows) const;

  // The logit of class 1 is bias + weight . x.
  const std::vector<double>& weight() const { return weight_; }
  double bias() const { return bias_; }

 private:
  ExposureClassifier() = default;

  std::vector<double> weight_;
  double bias_ = 0;
};

}  // namespace rlhf
