// What a server says of itself beside each answer of its health service: its
// build and its clock. Everybody of a run may ask for it.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "core/rpc/protocol.h"

namespace rlhf {

// Keys of the answer's initial metadata: UserAgent(build), and microseconds
// since 1970 by the server's clock.
inline constexpr char kBuildKey[] = "rlhf-build";
inline constexpr char kClockKey[] = "rlhf-clock-us";

// Adds both to the answers of the health service, and nothing to other calls.
// Thread-safe.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeSelfReport(const Build& server);

}  // namespace rlhf
