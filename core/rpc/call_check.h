// What a server asks of each call before it reads it: that the caller's build
// is a neighbour's (core/rpc/protocol.h) and, where callers show certificates,
// that its role may call the method (core/rpc/permissions.h).
#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include <memory>
#include <string>

#include "core/rpc/protocol.h"

namespace rlhf {

// Checks calls to `server`. With `run`, each connection has a certificate of an
// authority that we trust, which must name a role of that run; empty: callers
// are on this machine and show none.
//
// The caller gets: FailedPrecondition for a build too far away, Unauthenticated
// for a certificate of no role of the run, PermissionDenied for a method that
// is not its role's. Builds that are not named pass (grpcurl's, say), and
// health checks of any build, by which probes of any version see that a server
// lives.
//
// Thread-safe; does not block.
std::shared_ptr<grpc::AuthMetadataProcessor> MakeCallCheck(Build server,
                                                           std::string run);

}  // namespace rlhf
