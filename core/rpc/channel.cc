#include "core/rpc/channel.h"

#include <grpcpp/create_channel.h>

#include <chrono>
#include <cstdlib>

#include "core/base/check.h"
#include "core/config/address.h"
#include "core/rpc/protocol.h"
#include "core/telemetry/shared_span.h"

namespace rlhf {

void PrepareRpc() {
  // Read once, when gRPC is first used. Whoever set it himself knows why.
  ::setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "100",
           /*overwrite=*/0);
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const RpcIdentity& self,
                                           const std::string& server_role) {
  const absl::Status checked = CheckAddress(address, self.has_tls());
  RLHF_CHECK(checked.ok()) << checked;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  // A role that restarts is back within seconds; the default back-off of up to
  // two minutes would keep its clients away much longer.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // Without a retry policy gRPC sends again only what the server has surely not
  // seen, as when it closes a connection to look at certificates anew.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 1);
  arguments.SetUserAgentPrefix(UserAgent(ThisBuild()));
  return grpc::CreateCustomChannel(address, self.CredentialsTo(server_role),
                                   arguments);
}

std::unique_ptr<grpc::ClientContext> ContextWithDeadline(
    absl::Duration timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        absl::ToChronoMilliseconds(timeout));
  if (const TraceContext* trace = ActiveTrace(); trace != nullptr) {
    context->AddMetadata(kTraceparent, ToTraceparent(*trace));
  }
  return context;
}

}  // namespace rlhf
