// Who may call the RPCs that change or copy what the store holds. Those that
// read it for the other roles ask for no token: GrpcServer hears this machine
// only, or those roles by their certificates (core/rpc/permissions.h).
#pragma once

#include <grpcpp/server_context.h>

#include "absl/status/statusor.h"
#include "feedback/access/access_control.h"
#include "feedback/access/caller.h"

namespace rlhf {

// The caller of an RPC, by the token in its metadata ("authorization", "Bearer
// TOKEN"). Without `access`, or where it asks for no login, everybody at this
// machine. Not owned; thread-safe.
//
// Errors: Unauthenticated without a token, or with one that is not known;
// PermissionDenied for less than a requester; as AccessControl::Identify.
absl::StatusOr<Caller> AdmitRequester(AccessControl* access,
                                      const grpc::ServerContext& context);

}  // namespace rlhf
