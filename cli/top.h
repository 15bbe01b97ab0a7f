// `rlhf top`: a live view of a run.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Asks every process of the run each second and shows what it says: in place on
// a terminal, else (or if `plain`, or if NO_COLOR is set) a line a second. Ends
// well with q or Q on a terminal, by a signal, or when nobody has answered for
// ten seconds. The shutdown handler must be installed.
//
// Errors: Unavailable if nobody answers at the first look, saying whether the
// run is finished; as RpcIdentity::Load.
absl::Status RunTop(const v1::RunConfig& config, bool plain);

}  // namespace rlhf
