// Which of this machine's addresses another machine's packets arrive at.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace rlhf {

// The address, as numbers, that this machine speaks from when it speaks to
// `host`: ranks on several machines must each bind their own. Sends nothing.
//
// Errors: Unavailable if `host` has no address or there is no way to it.
absl::StatusOr<std::string> LocalAddressTowards(const std::string& host);

}  // namespace rlhf
