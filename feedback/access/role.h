// What somebody may do at the feedback service. Each role may do all that the
// one before it may.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

enum class Role {
  kWorker,     // compares answers
  kRequester,  // also sees the results, and takes batches in and out
  kAdmin,      // also says who has an account
};

// "worker", "requester" or "admin".
absl::string_view RoleName(Role role);

// Errors: InvalidArgument if there is no such role.
absl::StatusOr<Role> ParseRole(absl::string_view name);

}  // namespace rlhf
