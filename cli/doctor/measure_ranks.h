// Measures what ranks can exchange. Every call is collective.
#pragma once

#include "absl/status/statusor.h"
#include "cli/doctor/judge_ranks.h"
#include "core/base/clock.h"
#include "core/comm/communicator.h"

namespace rlhf {

// The link between the two ranks of `both`, in about a fifth of a second.
// `clock` is this rank's. Errors: of the communicator.
absl::StatusOr<LinkFigures> MeasureLinkOf(Communicator& both,
                                          const Clock& clock);

// Meets the other ranks at `options`, whose timeout is for all to come and for
// each step, and measures each pair, one after the other, then the all-reduce,
// on the device of `options`. All ranks get the same figures.
//
// Errors: as CallTheRoll, MakeC10dCommunicator, and of the communicator.
absl::StatusOr<RanksFigures> MeasureRanks(const C10dOptions& options);

}  // namespace rlhf
