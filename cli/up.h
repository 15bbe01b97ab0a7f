// `rlhf up`: the whole loop of one configuration on this machine.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs the reward server, refresher, feedback service, actor, learner and, if
// workers are configured, the crowd, each as a child process `rlhf ROLE`;
// restarts those that die; shows where the run stands (in place on a terminal
// unless `plain`); after the last update evaluates, writes report.json and
// prints a summary. A run that was stopped goes on; one that is finished is
// only summarised. Needs InstallShutdownHandler; must be called by the main
// thread.
//
// Returns OK when the run is finished.
//
// Errors:
//   Cancelled           a signal stopped it before, and every role ended well
//   InvalidArgument     the configuration differs from the run's, a port is in
//                       use, or a role says that its input is wrong
//   FailedPrecondition  another `rlhf up` works on the run
//   Unavailable         a role died too often without progress
absl::Status RunUp(const v1::RunConfig& config, bool plain);

}  // namespace rlhf
