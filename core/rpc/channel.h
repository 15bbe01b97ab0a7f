// gRPC channels and calls with this project's defaults: every call has a
// deadline, messages have a limit, dead peers are noticed.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "core/rpc/rpc_identity.h"

namespace rlhf {

// Largest message that we send or take, on both sides.
inline constexpr int kMaxMessageBytes = 64 << 20;

// To be called first in main. A connection that was lost is made again only
// while somebody polls for it; a caller that fails at once does not, and gRPC
// by itself looks every 5 seconds, of which it takes several. From here on it
// looks ten times a second.
void PrepareRpc();

// A channel to `address`; connects when it is first used and again whenever
// the connection is lost. Tells the server which build calls it
// (core/rpc/protocol.h), and who: `self`, where the run has certificates. The
// server must then show that it is `server_role`, a verb such as "learner".
// Dies unless CheckAddress takes `address` (core/config/address.h): addresses
// are checked when the run file is read.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const RpcIdentity& self = {},
                                           const std::string& server_role = "");

// A context whose call ends with DEADLINE_EXCEEDED after `timeout`, and which
// carries the trace that this thread works for (core/telemetry/shared_span.h).
std::unique_ptr<grpc::ClientContext> ContextWithDeadline(
    absl::Duration timeout);

}  // namespace rlhf
