// Trains a preference model on files of comparisons, apart from any run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/flags.h"

namespace rlhf {

// `rlhf pm train FILE... --model DIR --out DIR`: every form that `rlhf feedback
// import` reads. DIR may be a language model, then the score head starts at
// zero, or a PM, as in the phases of Bai et al. 2022 (§3.1, A.2): pre-training
// on ranked pairs first, then human feedback. The new PM loads in transformers;
// its card.json holds what was trained on and how good it is on the held-out
// share. Progress goes to stderr, the result to stdout, as a table or with
// --json.
//
// With --ranks N, or with the environment of torchrun (launch_environment.h), N
// processes train one PM; rank 0 alone prints and writes.
//
// Errors: those of reading; AlreadyExists if `--out` is there; InvalidArgument
// if nothing can be trained on; DataLoss if the ranks were given different
// things; of the ranks' group.
absl::Status TrainPm(const Flags& flags, const std::vector<std::string>& files);

}  // namespace rlhf
