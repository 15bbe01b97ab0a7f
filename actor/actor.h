// The actor: samples rollouts for the learner and responses for whoever asks,
// with the newest policy it holds. Stateless: it can be killed and started at
// any time, in any number.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs until shutdown is requested.
//
// Errors: those of bad configuration or input; AlreadyExists for a port in use.
absl::Status RunActor(const v1::RunConfig& config);

}  // namespace rlhf
