// Why this process failed, where torchrun looks for it.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"

namespace rlhf {

// The record that torchrun shows as the cause of a failure, and passes on. It
// takes the earliest of all ranks' for the first cause.
std::string ErrorRecord(const std::string& message, absl::Time now);

// Writes that to the file that TORCHELASTIC_ERROR_FILE names; nothing if it is
// not set. A file that cannot be written is logged: the failure itself must
// come out all the same.
void WriteErrorFile(const std::map<std::string, std::string>& environment,
                    const std::string& message);

}  // namespace rlhf
