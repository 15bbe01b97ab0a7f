// Vectors of 16 floats, as GCC's own arithmetic knows them: what the inner
// loops of generation are written in (packed_kernels.cc, attend_kernels.cc).
// Where the processor's are shorter, the compiler takes several.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

#define RLHF_INLINE inline __attribute__((always_inline))

namespace rlhf {

inline constexpr int64_t kLanes = 16;

typedef float Lanes __attribute__((vector_size(64)));
typedef uint32_t LaneBits __attribute__((vector_size(64)));
typedef int32_t LaneWholes __attribute__((vector_size(64)));

// From memory that need not be aligned.
RLHF_INLINE Lanes LoadLanes(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

RLHF_INLINE Lanes LoadLanes(const c10::BFloat16* from) {
  typedef uint16_t Halves __attribute__((vector_size(32)));
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  return reinterpret_cast<Lanes>(__builtin_convertvector(halves, LaneBits)
                                 << 16);
}

RLHF_INLINE void StoreLanes(const Lanes& lanes, float* to) {
  std::memcpy(to, &lanes, sizeof(lanes));
}

// The sum of all lanes, pairwise: always in the same order.
RLHF_INLINE float SumOfLanes(Lanes v) {
  v += __builtin_shuffle(
      v, LaneWholes{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
  v += __builtin_shuffle(
      v, LaneWholes{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
  v += __builtin_shuffle(
      v, LaneWholes{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
  v += __builtin_shuffle(
      v, LaneWholes{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
  return v[0];
}

}  // namespace rlhf
