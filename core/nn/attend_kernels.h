// Attention of one new token over what is cached of its sequence.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace rlhf {

// The query heads that share one key-value head.
struct AttendQueries {
  // [group, width], scaled already.
  const float* queries;
  int64_t group;
  int64_t width;
  // Cached tokens.
  int64_t count;
  // Room for group * count numbers.
  float* scores;
  // [group, width].
  float* out;
};

// out = softmax(queries · keys) · values; keys and values are [count, width].
// On the calling thread.
void Attend(const AttendQueries& queries, const float* keys,
            const float* values);
void Attend(const AttendQueries& queries, const c10::BFloat16* keys,
            const c10::BFloat16* values);

}  // namespace rlhf
