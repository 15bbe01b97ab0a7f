#include "core/rpc/grpc_server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/rpc/call_metrics.h"
#include "core/rpc/call_spans.h"
#include "core/rpc/channel.h"
#include "core/rpc/protocol.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// gRPC writes why it cannot listen into its log and returns nothing, so the
// system is asked again.
absl::Status WhyItCannotListen(const std::string& address) {
  const absl::StatusOr<ListenSocket> socket = Listen(address);
  if (socket.ok()) {
    ::close(socket->fd);
    return absl::UnavailableError(
        absl::StrCat("gRPC cannot listen at ", address,
                     ", which is free now: start again, and if that does not "
                     "help, configure another address"));
  }
  if (!absl::IsAlreadyExists(socket.status())) {
    return WithContext(socket.status(), "gRPC");
  }
  return absl::AlreadyExistsError(
      absl::StrCat("cannot listen at ", address,
                   ": the port is in use (see `ss -ltnp`); "
                   "stop the other process or configure another port"));
}

// Only peers on this machine, whose words go unencrypted. gRPC checks calls
// before it reads them only under credentials, so these are not "insecure"
// ones.
std::shared_ptr<grpc::ServerCredentials> CredentialsOf(
    const std::string& address) {
  auto credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
  Build build = ThisBuild();
  build.place = address;
  credentials->SetAuthMetadataProcessor(MakeProtocolCheck(std::move(build)));
  return credentials;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const std::string& address, const std::vector<grpc::Service*>& services,
    prometheus::Registry* registry, SpanFile* spans) {
  RLHF_RETURN_IF_ERROR(CheckLoopback(address));
  // Process-wide by gRPC's design, and the same for all our servers.
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<GrpcServer> result(new GrpcServer());
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, CredentialsOf(address), &result->port_);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Without this two processes could share one port, each with half the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  if (registry != nullptr) interceptors.push_back(MakeCallMetrics(*registry));
  if (spans != nullptr) interceptors.push_back(MakeCallSpans(spans));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  result->server_ = builder.BuildAndStart();
  if (result->server_ == nullptr || result->port_ == 0) {
    return WhyItCannotListen(address);
  }
  result->SetServing(false);
  return result;
}

GrpcServer::~GrpcServer() { Shutdown(absl::Seconds(1)); }

void GrpcServer::SetServing(bool serving) {
  if (auto* health = server_->GetHealthCheckService()) {
    health->SetServingStatus(serving);
  }
}

void GrpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace rlhf
