// What a choice says.
#pragma once

#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Whether one response is better: ties, skips and "both bad" name no winner.
inline bool IsDecided(const v1::Comparison& comparison) {
  return comparison.choice() == v1::A_BETTER ||
         comparison.choice() == v1::B_BETTER;
}

}  // namespace rlhf
