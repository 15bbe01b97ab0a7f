// The gold judge of the simulated crowd: a fixed rule, computed without a
// model, that neither the preference model nor the policy is ever shown.
//
// The people it stands for read answers that may stop in the middle of a
// sentence, where the token limit falls. They want one that comes to its end;
// an answer that is cut off is of no use to them, and two of these are a tie.
// A small policy can learn to come to an end in time, and a PM can read off a
// response whether it did.
#pragma once

#include "absl/strings/string_view.h"

namespace rlhf {

// 0 for a response that is cut off or has no letter. One that is finished, that
// is, ends in . ! or ? (a closing quote or bracket may follow), scores
//   +2
//   -1   with fewer than four words: hardly an answer
//   +0.5 if it speaks to the reader (you, your, yours, you're)
double GoldScore(absl::string_view response);

}  // namespace rlhf
