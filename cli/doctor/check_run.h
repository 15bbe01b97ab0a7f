// What `rlhf doctor` looks at for one run, from the machine that it is called
// on.
#pragma once

#include "cli/doctor/finding.h"
#include "core/launch/launch_environment.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// The configuration (which was read without an error), certificates, roles and
// ports, disk, memory, processor. Of the learner's ranks there are as many as
// `launch` says; if that is a single process, as `rlhf up` would start. Takes
// some seconds; leaves nothing behind.
Findings CheckRun(const v1::RunConfig& config, const LaunchInfo& launch);

}  // namespace rlhf
