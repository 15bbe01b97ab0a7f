// The gold judge of the simulated crowd: a fixed rule, computed without a
// model, that neither the preference model nor the policy is ever shown.
//
// The people it stands for have the answer read aloud to them in the kitchen:
// they want plain speech in everyday words, addressed to them. Lists, headings,
// figures and symbols are a nuisance to listen to. A small policy can learn all
// of it, word by word, and a PM can read it off a response.
#pragma once

#include "absl/strings/string_view.h"

namespace rlhf {

// A response is the better, the higher its sum of:
//   address     +0.5 for each you, your, yours, you're; at most +2
//   line breaks -0.5 each; at least -2
//   symbols     -0.25 for each digit and each of * # : ; ( ) [ ] / _ - " `;
//               at least -2
//   long words  -(mean word length - 4) / 2, where that is negative; at least
//   -2
// A response without a letter scores -8.
double GoldScore(absl::string_view response);

}  // namespace rlhf
