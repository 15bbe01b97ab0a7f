#include "feedback/rpc_access.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/telemetry/http_server.h"

namespace rlhf {

absl::StatusOr<Caller> AdmitRequester(AccessControl* access,
                                      const grpc::ServerContext& context) {
  if (access == nullptr) {
    return Caller{.proof = Caller::Proof::kNotAsked, .role = Role::kRequester};
  }
  HttpRequest request;
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  if (found != metadata.end()) {
    request.headers["authorization"] =
        std::string(found->second.data(), found->second.size());
  }
  RLHF_ASSIGN_OR_RETURN(Caller caller, access->Identify(request));
  if (!caller.is_known()) {
    return absl::UnauthenticatedError(
        "the run has a login: send a requester's token as metadata, "
        "authorization: Bearer TOKEN");
  }
  if (caller.role < Role::kRequester) {
    return absl::PermissionDeniedError(
        absl::StrCat("this is for the role ", RoleName(Role::kRequester),
                     "; yours is ", RoleName(caller.role)));
  }
  return caller;
}

}  // namespace rlhf
