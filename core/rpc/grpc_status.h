// The one place where our statuses meet gRPC's.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace rlhf {

// Same code, same message. (The two enumerations share their numbers.)
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

// The same, with the pause that the server asked for, if it did
// (core/rpc/retry_after.h). `context` is that of the call, which has ended.
absl::Status FromGrpcStatus(const grpc::Status& status,
                            const grpc::ClientContext& context);

// Has the call's answer ask for the pause that `status` holds, if any. Before
// the call is finished.
void SendRetryAfter(const absl::Status& status,
                    grpc::CallbackServerContext& context);

}  // namespace rlhf
