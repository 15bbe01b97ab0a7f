#include "core/rpc/grpc_server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/rpc/call_check.h"
#include "core/rpc/call_metrics.h"
#include "core/rpc/call_spans.h"
#include "core/rpc/channel.h"
#include "core/rpc/protocol.h"
#include "core/rpc/self_report.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// Whether the system lets this process listen there just now. gRPC would write
// why it cannot into its log, in words of its own, and return nothing.
absl::Status CheckMayListen(const std::string& address) {
  const absl::StatusOr<ListenSocket> socket = Listen(address);
  if (socket.ok()) {
    ::close(socket->fd);
    return absl::OkStatus();
  }
  if (!absl::IsAlreadyExists(socket.status())) {
    return WithContext(socket.status(), "gRPC");
  }
  return absl::AlreadyExistsError(
      absl::StrCat("cannot listen at ", address,
                   ": the port is in use (see `ss -ltnp`); "
                   "stop the other process or configure another port"));
}

// Somebody was faster, or gRPC has a reason of its own.
absl::Status WhyItCannotListen(const std::string& address) {
  RLHF_RETURN_IF_ERROR(CheckMayListen(address));
  return absl::UnavailableError(
      absl::StrCat("gRPC cannot listen at ", address,
                   ", which is free now: start again, and if that does not "
                   "help, configure another address"));
}

Build BuildAt(const std::string& address) {
  Build build = ThisBuild();
  build.place = address;
  return build;
}

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(
    const std::string& address, const RpcIdentity& self) {
  auto credentials = self.CredentialsToServe();
  credentials->SetAuthMetadataProcessor(
      MakeCallCheck(BuildAt(address), self.run()));
  return credentials;
}

void SetDefaults(grpc::ServerBuilder& builder, const RpcIdentity& self) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Without this two processes could share one port, each with half the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  if (self.connection_age() == absl::InfiniteDuration()) return;
  // Calls on a connection that has reached it are finished, however long they
  // take.
  builder.AddChannelArgument(
      GRPC_ARG_MAX_CONNECTION_AGE_MS,
      static_cast<int>(absl::ToInt64Milliseconds(self.connection_age())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const std::string& address, const std::vector<grpc::Service*>& services,
    prometheus::Registry* registry, const RpcIdentity& self, SpanFile* spans) {
  RLHF_RETURN_IF_ERROR(CheckAddress(address, self.has_tls()));
  const absl::Status may_listen = CheckMayListen(address);
  // What else is in the way, gRPC may know a way around: another address of
  // the same name.
  if (absl::IsAlreadyExists(may_listen)) return may_listen;
  // Process-wide by gRPC's design, and the same for all our servers.
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<GrpcServer> result(new GrpcServer());
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, CredentialsOf(address, self),
                           &result->port_);
  SetDefaults(builder, self);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(MakeSelfReport(BuildAt(address)));
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
