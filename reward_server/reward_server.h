// The reward server: scores dialogues with the serving preference model, and
// follows the registry when another one is promoted.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs until shutdown is requested. Answers UNAVAILABLE until a first PM is
// promoted in RUN/registry/pm.
//
// Errors: those of bad configuration; AlreadyExists for a port in use.
absl::Status RunRewardServer(const v1::RunConfig& config);

}  // namespace rlhf
