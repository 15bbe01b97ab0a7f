// `rlhf wait`: readiness instead of sleeps in scripts, and a probe.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// A server that is to be ready.
struct Awaited {
  std::string role;  // empty if only the address is known
  std::string address;
  RpcIdentity self = {};  // who asks
};

// The servers of a run: of all roles, or of `roles` if there are any
// ("learner", "actor", "reward-server", "refresher", "feedback").
//
// Errors: InvalidArgument for a role that is none of these; as
// RpcIdentity::Load.
absl::StatusOr<std::vector<Awaited>> AwaitedOf(
    const v1::RunConfig& config, const std::vector<std::string>& roles);

// Blocks until all of them answer the health service as serving, all at the
// same look. Writes to `progress` who is not ready and why, whenever that
// changes. At least one look is taken, however short `timeout` is; a look takes
// a second at most.
//
// Errors: DeadlineExceeded with who was not ready, and why.
absl::Status WaitUntilReady(const std::vector<Awaited>& servers,
                            absl::Duration timeout, std::ostream& progress);

}  // namespace rlhf
