// What keeps rank 0 from the next update while the other ranks wait for its
// word: what a person ordered, and the sentinel.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/learner_head.h"
#include "trainer/steering.h"

namespace rlhf {

enum class Ordered { kGoOn, kCheckpoint, kStop };

// Blocks as long as an order pauses the run. kCheckpoint if one is wanted
// though that of update `newest_checkpoint` (-1: none) is there; kStop if the
// process is to stop. Errors: of the communicator.
absl::StatusOr<Ordered> WaitOutOrders(int64_t newest_checkpoint,
                                      LearnerHead& head,
                                      Communicator& communicator);

// Blocks while the sentinel wants no update under the PM that serves, until the
// process is to stop. False if WaitOutOrders would not go on meanwhile. Errors:
// of the communicator.
absl::StatusOr<bool> WaitOutSentinel(const v1::SentinelConfig& config,
                                     const Steering& steering,
                                     int64_t newest_checkpoint,
                                     LearnerHead& head,
                                     Communicator& communicator);

}  // namespace rlhf
