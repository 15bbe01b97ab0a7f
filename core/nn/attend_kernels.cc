#include "core/nn/attend_kernels.h"

#include <algorithm>
#include <type_traits>

#include "core/nn/lanes.h"
#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

// Queries whose sums stay in registers together, and vectors of each.
constexpr int64_t kQueries = 4, kParts = 4;

// G of the queries, over the columns [column, column + P * kLanes).
template <int64_t G, int64_t P, class Number>
RLHF_INLINE void AddScores(const AttendQueries& a, int64_t first,
                           int64_t column, const Number* keys) {
  for (int64_t l = 0; l < a.count; ++l) {
    Lanes key[P];
#pragma GCC unroll 4
    for (int64_t p = 0; p < P; ++p) {
      key[p] = LoadLanes(keys + l * a.width + column + p * kLanes);
    }
#pragma GCC unroll 4
    for (int64_t g = 0; g < G; ++g) {
      const float* const query = a.queries + (first + g) * a.width + column;
      Lanes sum = LoadLanes(query) * key[0];
#pragma GCC unroll 4
      for (int64_t p = 1; p < P; ++p) {
        sum += LoadLanes(query + p * kLanes) * key[p];
      }
      a.scores[(first + g) * a.count + l] += SumOfLanes(sum);
    }
  }
}

template <int64_t G, int64_t P, class Number>
RLHF_INLINE void MixValues(const AttendQueries& a, int64_t first,
                           int64_t column, const Number* values) {
  Lanes sums[G][P] = {};
  for (int64_t l = 0; l < a.count; ++l) {
#pragma GCC unroll 4
    for (int64_t p = 0; p < P; ++p) {
      const Lanes value = LoadLanes(values + l * a.width + column + p * kLanes);
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) {
        sums[g][p] += a.scores[(first + g) * a.count + l] * value;
      }
    }
  }
#pragma GCC unroll 4
  for (int64_t g = 0; g < G; ++g) {
#pragma GCC unroll 4
    for (int64_t p = 0; p < P; ++p) {
      StoreLanes(sums[g][p],
                 a.out + (first + g) * a.width + column + p * kLanes);
    }
  }
}

// Turns scores into probabilities.
RLHF_INLINE void Softmax(float* scores, int64_t count) {
  const float most = *std::max_element(scores, scores + count);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    scores[i] = VectorExp(scores[i] - most);
    sum += scores[i];
  }
  const float inverse = 1 / sum;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) scores[i] *= inverse;
}

RLHF_INLINE float Widen(float x) { return x; }
RLHF_INLINE float Widen(c10::BFloat16 x) { return static_cast<float>(x); }

// G queries from `first` on. Columns are taken kParts vectors at a time, then
// one, then by themselves.
template <int64_t G, class Number>
RLHF_INLINE void AttendWith(const AttendQueries& a, int64_t first,
                            const Number* keys, const Number* values) {
  constexpr int64_t kWide = kParts * kLanes;
  const int64_t wide = a.width / kWide * kWide;
  const int64_t whole = a.width / kLanes * kLanes;
  std::fill_n(a.scores + first * a.count, G * a.count, 0.F);
  for (int64_t c = 0; c < wide; c += kWide) {
    AddScores<G, kParts>(a, first, c, keys);
  }
  for (int64_t c = wide; c < whole; c += kLanes) {
    AddScores<G, 1>(a, first, c, keys);
  }
  for (int64_t g = first; g < first + G; ++g) {
    float* const scores = a.scores + g * a.count;
    for (int64_t l = 0; l < a.count; ++l) {
      for (int64_t c = whole; c < a.width; ++c) {
        scores[l] += a.queries[g * a.width + c] * Widen(keys[l * a.width + c]);
      }
    }
    Softmax(scores, a.count);
    for (int64_t c = whole; c < a.width; ++c) {
      float sum = 0;
      for (int64_t l = 0; l < a.count; ++l) {
        sum += scores[l] * Widen(values[l * a.width + c]);
      }
      a.out[g * a.width + c] = sum;
    }
  }
  for (int64_t c = 0; c < wide; c += kWide) {
    MixValues<G, kParts>(a, first, c, values);
  }
  for (int64_t c = wide; c < whole; c += kLanes) {
    MixValues<G, 1>(a, first, c, values);
  }
}

template <class Number>
RLHF_INLINE void AttendAll(const AttendQueries& a, const Number* keys,
                           const Number* values) {
  int64_t first = 0;
  const auto run = [&]<int64_t G>(std::integral_constant<int64_t, G>)
      __attribute__((always_inline)) {
    for (; a.group - first >= G; first += G) {
      AttendWith<G>(a, first, keys, values);
    }
  };
  run(std::integral_constant<int64_t, kQueries>());
  run(std::integral_constant<int64_t, 3>());
  run(std::integral_constant<int64_t, 1>());
}

RLHF_FOR_EACH_PROCESSOR
void AttendFloat(const AttendQueries& a, const float* keys,
                 const float* values) {
  AttendAll(a, keys, values);
}

RLHF_FOR_EACH_PROCESSOR
void AttendBfloat16(const AttendQueries& a, const c10::BFloat16* keys,
                    const c10::BFloat16* values) {
  AttendAll(a, keys, values);
}

}  // namespace

void Attend(const AttendQueries& queries, const float* keys,
            const float* values) {
  AttendFloat(queries, keys, values);
}

void Attend(const AttendQueries& queries, const c10::BFloat16* keys,
            const c10::BFloat16* values) {
  AttendBfloat16(queries, keys, values);
}

}  // namespace rlhf
