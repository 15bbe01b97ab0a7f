// Whether what a PM was trained on still stands.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/retraction.pb.h"
#include "rlhf/v1/store.grpc.pb.h"

namespace rlhf {

// How many comparisons of `data` were retracted after it was read: by number,
// whatever the clocks said; all that were retracted if an older version of rlhf
// read it. Those that the same person answered anew are none, and neither are
// those that teach no PM; those that one is only measured by are.
int64_t CountRetractedSince(const v1::DataSnapshot& data,
                            absl::Span<const v1::Retraction> retractions);

// The same of the retractions that `store` tells.
// Errors: those of the call.
absl::StatusOr<int64_t> AskRetractedSince(const v1::DataSnapshot& data,
                                          v1::Store::Stub& store);

// The same, and waits for a service that restarts: a training would be lost
// otherwise. Errors: the others of the call; at shutdown, all of them.
absl::StatusOr<int64_t> WaitForRetractedSince(const v1::DataSnapshot& data,
                                              v1::Store::Stub& store);

}  // namespace rlhf
