// Where a process listens, apart from where it is called.
#pragma once

#include <string>
#include <vector>

#include "core/config/field_checks.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Where the process listens that others call at `address`, "HOST:PORT": at the
// host of `config.listen_host`, if that is set, and the same port.
std::string ListenAddress(const v1::RunConfig& config,
                          const std::string& address);

// Adds what is wrong with `config.listen_host` to `problems`.
void CheckListenHost(const v1::RunConfig& config,
                     std::vector<FieldProblem>& problems);

}  // namespace rlhf
