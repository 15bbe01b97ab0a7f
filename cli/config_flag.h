// The run configuration that a command line names.
#pragma once

#include "absl/status/statusor.h"
#include "cli/flags.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// From --config and --set. Errors: InvalidArgument without --config; those of
// LoadRunConfig.
absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags);

// From the one positional argument and --set.
absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags);

}  // namespace rlhf
