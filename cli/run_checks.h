// What must hold before a run starts, so that it does not wait or work for
// nothing.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Whether the loop can come to its end.
//
// Errors, naming the fields:
//   InvalidArgument  no PM serves in `run_dir`, and none is planned or the
//                    comparisons end before the first one is due; fewer prompts
//                    are held out than the evaluation wants, or none is left to
//                    train on
//   those of ReadPrompts
absl::Status CheckRunCanFinish(const v1::RunConfig& config,
                               const std::string& run_dir);

}  // namespace rlhf
