// What each launcher promises its processes: one function a contract. Each
// gives nothing where its launcher is not the one.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "core/launch/launch_environment.h"
#include "core/launch/launch_variables.h"

namespace rlhf {

using Launch = absl::StatusOr<std::optional<LaunchInfo>>;

// Errors of all: as DetectLaunch.
Launch FromFlags(const LaunchFlags& flags);
Launch FromTorchrun(const LaunchVariables& variables);
Launch FromPet(const LaunchVariables& variables);
Launch FromLeaderWorkerSet(const LaunchVariables& variables);
Launch FromJobSet(const LaunchVariables& variables);
Launch FromSlurm(const LaunchVariables& variables);
Launch FromMpi(const LaunchVariables& variables);

}  // namespace rlhf
