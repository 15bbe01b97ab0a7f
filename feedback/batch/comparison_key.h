// What tells whether two comparisons are about the same, as hashes.
#pragma once

#include <cstdint>

#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Whether somebody is named as the worker. An import that knows nobody names
// its source or a file instead ("import:FILE").
bool HasWorker(const v1::Comparison& comparison);

struct ComparisonKey {
  // Of the prompt and the two responses, whichever is A.
  uint64_t pair = 0;
  // Of the pair, the choice and the worker, if one is named. Two with the same
  // are the same comparison; strength, time and file aside.
  uint64_t answer = 0;
  // Of the worker; 0 if none is named.
  uint64_t worker = 0;
  // +1 if the response that sorts first is better, -1 if the other is, 0 if
  // neither: the same for a pair whichever is A.
  int vote = 0;
};

// Hashes are xxh3: for accidents, not against somebody who searches for a
// collision.
ComparisonKey KeyOf(const v1::Comparison& comparison);

}  // namespace rlhf
