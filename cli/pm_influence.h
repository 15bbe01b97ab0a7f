// Which comparisons a run's preference model learned most from.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Prints the `top` most influential and most damaging of the comparisons that
// PM `version` was trained on, by influence.h, and what those of each worker
// come to, as tables or as one JSON object. It reads the comparisons as
// the PM's card says that it was trained or, if it does not, as `config` has
// them, and says so; of a PM of several members it asks the first. What was
// retracted since is not listed.
//
// Errors: those of the registry, of loading and of reading comparisons;
// FailedPrecondition if nothing was trained on or nothing is held out.
absl::Status ReportInfluence(const v1::RunConfig& config, int64_t version,
                             int64_t top, bool json);

}  // namespace rlhf
