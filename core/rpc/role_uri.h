// How a certificate names a process of a run: "rlhf://RUN/ROLE", a URI among
// its subject alternative names. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

std::string RoleUri(absl::string_view run, absl::string_view role);

// The role that a certificate with these URIs has in `run`. URIs of other
// schemes mean nothing to us.
//
// Errors: Unauthenticated unless exactly one of them names a role, of `run`.
absl::StatusOr<std::string> RoleOf(const std::vector<absl::string_view>& uris,
                                   absl::string_view run);

}  // namespace rlhf
