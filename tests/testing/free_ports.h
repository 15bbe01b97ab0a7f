// Ports for the processes of a test.
#pragma once

#include <cstddef>
#include <vector>

#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Ports of the loopback that were free a moment ago, no one twice. They lie
// below those that Linux gives to outgoing connections, so that none of these
// takes one before its process listens.
std::vector<int> FreePorts(size_t count);

// Gives every process of `config` ports of its own.
void SetFreePorts(v1::RunConfig& config);

}  // namespace rlhf
