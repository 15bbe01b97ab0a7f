// How the roles of a run look from this machine.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/doctor/judge_role.h"
#include "cli/wait.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// What is at `address`, "HOST:PORT", where a process would listen at
// `listen_address`. Takes at most `timeout`, and as long as a name look-up.
Place PlaceOf(const std::string& address, const std::string& listen_address,
              absl::Duration timeout);

// Asks all servers at once; takes some seconds at most.
std::vector<RoleFigures> LookAtRoles(const v1::RunConfig& config,
                                     const std::vector<Awaited>& servers);

}  // namespace rlhf
