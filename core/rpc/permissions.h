// Who of a run may call what, where callers show certificates
// (docs/security.md). Pure.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// The role of whoever works on a run by verbs: `rlhf up`, `status`, `feedback`.
// The others are the verbs that serve: learner, actor, reward-server, refresher
// and feedback.
inline constexpr char kOperatorRole[] = "operator";

// One method and who may call it.
struct Permission {
  absl::string_view method;  // "/rlhf.v1.Rollouts/LeasePrompts"
  std::vector<absl::string_view> callers;
};

// Every method of proto/, in the order of its files. Who is not named here may
// not call.
const std::vector<Permission>& Permissions();

// OK if `role` may call `method`; everybody may ask the health service.
//
// Errors: PermissionDenied, which names both and those who may.
absl::Status CheckPermission(absl::string_view role, absl::string_view method);

}  // namespace rlhf
