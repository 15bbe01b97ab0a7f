#include "core/nn/softmax_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

// Numbers whose sum is kept in float32 before it is added in float64.
constexpr int64_t kBlock = 1024;

RLHF_FOR_EACH_PROCESSOR
float MaxOf(const float* x, int64_t width) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < width; ++i) {
    largest = x[i] > largest ? x[i] : largest;
  }
  return largest;
}

// sum of e^(x * scale - shift).
RLHF_FOR_EACH_PROCESSOR
float SumOfExp(const float* x, int64_t width, float scale, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; ++i) sum += VectorExp(x[i] * scale - shift);
  return sum;
}

struct Moments {
  float sum = 0;
  // Each e^z times z.
  float weighted = 0;
};

RLHF_FOR_EACH_PROCESSOR
Moments MomentsOfExp(const float* x, int64_t width, float scale, float shift) {
  float sum = 0, weighted = 0;
#pragma omp simd reduction(+ : sum, weighted)
  for (int64_t i = 0; i < width; ++i) {
    const float z = x[i] * scale - shift;
    const float e = VectorExp(z);
    sum += e;
    // A token that is ruled out has z = -inf, and adds nothing.
    weighted += e * (z < -87.F ? -87.F : z);
  }
  return {sum, weighted};
}

}  // namespace

SoftmaxStats StatsOfRow(const float* logits, int64_t width, float temperature,
                        bool with_entropy) {
  const float scale = 1 / temperature;
  const float largest = MaxOf(logits, width) * scale;
  double sum = 0, weighted = 0;
  for (int64_t begin = 0; begin < width; begin += kBlock) {
    const int64_t size = std::min(kBlock, width - begin);
    if (with_entropy) {
      const Moments part = MomentsOfExp(logits + begin, size, scale, largest);
      sum += part.sum;
      weighted += part.weighted;
    } else {
      sum += SumOfExp(logits + begin, size, scale, largest);
    }
  }
  // With z = logit / T - largest: H = log sum e^z - sum p z.
  return {.log_sum = largest + std::log(sum),
          .entropy = with_entropy ? std::log(sum) - weighted / sum : 0};
}

double ProbabilityOfPart(const float* logits, int64_t width, float temperature,
                         double log_sum) {
  double sum = 0;
  for (int64_t begin = 0; begin < width; begin += kBlock) {
    sum += SumOfExp(logits + begin, std::min(kBlock, width - begin),
                    1 / temperature, static_cast<float>(log_sum));
  }
  return sum;
}

RLHF_FOR_EACH_PROCESSOR
void ScaledProbabilitiesOfRow(float* logits, int64_t width, float temperature,
                              double log_sum, float scale) {
  const float inverse = 1 / temperature, shift = static_cast<float>(log_sum);
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    logits[i] = -scale * VectorExp(logits[i] * inverse - shift);
  }
}

}  // namespace rlhf
