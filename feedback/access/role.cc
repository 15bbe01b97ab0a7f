#include "feedback/access/role.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr Role kRoles[] = {Role::kWorker, Role::kRequester, Role::kAdmin};

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kWorker:
      return "worker";
    case Role::kRequester:
      return "requester";
    case Role::kAdmin:
      break;
  }
  return "admin";
}

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  for (const Role role : kRoles) {
    if (name == RoleName(role)) return role;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the role is \"", name, "\"; it must be worker, requester or admin"));
}

}  // namespace rlhf
