// `rlhf status`: what each role of a run answers right now.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Prints to stdout a line per role, or with `json` one object
// {"learner": {"status": …} or {"error": …}, …}, whose statuses are the proto
// JSON of the role's answer. A role that does not answer within a second is no
// error of this function, unless it is all of them: Unavailable. Errors beside:
// as RpcIdentity::Load.
absl::Status PrintStatus(const v1::RunConfig& config, bool json);

}  // namespace rlhf
