// The simulated crowd: an ordinary client of the feedback API, with one thread
// per configured worker.
//
// Metric, on crowd.metrics_port: rlhf_crowd_answers_total{worker_id}.
#pragma once

#include "absl/status/status.h"
#include "crowd/gold_judge.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs until the feedback process wants no further comparisons, or shutdown is
// requested; waits for a service that is away, and a worker who is paused until
// a person ends the pause. `judge` is not owned.
//
// Errors: InvalidArgument without workers, or if the service does not take what
// a worker sends; AlreadyExists for a port in use; those of the judge.
absl::Status RunCrowd(const v1::RunConfig& config, GoldJudge* judge);

}  // namespace rlhf
