#include "core/rpc/role_uri.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rlhf {
namespace {

constexpr char kScheme[] = "rlhf://";

}  // namespace

std::string RoleUri(absl::string_view run, absl::string_view role) {
  return absl::StrCat(kScheme, run, "/", role);
}

absl::StatusOr<std::string> RoleOf(const std::vector<absl::string_view>& uris,
                                   absl::string_view run) {
  absl::string_view name;
  int num_names = 0;
  for (absl::string_view uri : uris) {
    if (!absl::ConsumePrefix(&uri, kScheme)) continue;
    name = uri;
    ++num_names;
  }
  if (num_names != 1) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the certificate names ", num_names, " roles; wanted one URI ",
        RoleUri(run, "ROLE"), " in it (docs/security.md)"));
  }
  const size_t slash = name.find('/');
  const absl::string_view role =
      slash == absl::string_view::npos ? "" : name.substr(slash + 1);
  if (name.substr(0, slash) != run || role.empty() ||
      role.find('/') != absl::string_view::npos) {
    return absl::UnauthenticatedError(
        absl::StrCat("the certificate is for ", kScheme, name,
                     "; wanted one of this run, ", RoleUri(run, "ROLE")));
  }
  return std::string(role);
}

}  // namespace rlhf
