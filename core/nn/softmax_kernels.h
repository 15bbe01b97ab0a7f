// The softmax of one row of float32 logits, at logits / temperature, in as few
// passes as there can be. Compiled as pointwise_kernels.h is. Pure.
#pragma once

#include <cstdint>

namespace rlhf {

struct SoftmaxStats {
  // log sum e^(logit / T): subtracted from logit / T it gives the
  // log-probability, nats.
  double log_sum = 0;
  // Of the distribution, nats. 0 unless asked for.
  double entropy = 0;
};

// NaN if a logit is.
SoftmaxStats StatsOfRow(const float* logits, int64_t width, float temperature,
                        bool with_entropy);

// The sum of the probabilities of these logits, a part of a row whose log_sum
// is given.
double ProbabilityOfPart(const float* logits, int64_t width, float temperature,
                         double log_sum);

// Replaces each logit by -scale times its probability.
void ScaledProbabilitiesOfRow(float* logits, int64_t width, float temperature,
                              double log_sum, float scale);

}  // namespace rlhf
