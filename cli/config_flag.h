// The run configuration that a command line names.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/flags.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Reads `path` with the overrides of --set.
//
// Errors: those of LoadRunConfig; InvalidArgument if two fields name one port;
// those of CheckPublicOrigin.
absl::StatusOr<v1::RunConfig> LoadCheckedConfig(const std::string& path,
                                                const Flags& flags);

// From --config and --set. Errors: InvalidArgument without --config; those of
// LoadCheckedConfig.
absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags);

// From the one positional argument and --set.
absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags);

}  // namespace rlhf
