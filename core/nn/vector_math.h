// What loops over vectors are made of (pointwise_kernels.cc,
// softmax_kernels.cc).
#pragma once

#include <bit>
#include <cstdint>

// A function for several instruction sets: the loader takes the first that the
// processor has. Sanitizers cannot run that choice, which is made before they
// are ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RLHF_FOR_EACH_PROCESSOR \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RLHF_FOR_EACH_PROCESSOR
#endif

namespace rlhf {

// e^x within 2e-7 of it for |x| <= 87; beyond, that of ±87. By 2^n e^r with r
// within ln 2 / 2, and e^r by its Taylor polynomial: the library's has
// branches, which no loop over vectors can have.
inline float VectorExp(float x) {
  constexpr float kLog2E = 1.44269504088896341F;
  // ln 2 as a short number, exact times any n here, and the rest.
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  // Adding it leaves no bits after the point.
  constexpr float kRound = 12582912.F;  // 1.5 * 2^23
  x = x < -87.F ? -87.F : x;
  x = x > 87.F ? 87.F : x;
  const float shifted = x * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float e = 1.F / 5040;
  e = e * r + 1.F / 720;
  e = e * r + 1.F / 120;
  e = e * r + 1.F / 24;
  e = e * r + 1.F / 6;
  e = e * r + 0.5F;
  e = e * r + 1.F;
  e = e * r + 1.F;
  const auto power = (static_cast<int32_t>(n) + 127) << 23;
  return e * std::bit_cast<float>(power);
}

}  // namespace rlhf
