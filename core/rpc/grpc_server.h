// A gRPC server with this project's defaults and the standard health service.
#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/rpc/rpc_identity.h"
#include "core/telemetry/span_file.h"
#include "prometheus/registry.h"

namespace rlhf {

// Stops the server when it is destroyed. Thread-safe.
class GrpcServer {
 public:
  // Serves `services` (not owned; must outlive the server) at `address`; port 0
  // takes a free one. Where the run has certificates (`self`), callers must
  // show one, and a role may call what is its own (core/rpc/permissions.h).
  // Calls of builds that are too old or too new are refused
  // (core/rpc/protocol.h). Health starts as NOT_SERVING. Calls are counted in
  // `registry` (core/rpc/call_metrics.h), which must outlive the server, unless
  // it is null; those that are traced have spans in `spans`
  // (core/rpc/call_spans.h), on the same terms.
  //
  // Errors:
  //   InvalidArgument  `address` is malformed, or not loopback and there are no
  //                    certificates
  //   AlreadyExists    the port is in use
  //   Unavailable      the system does not let us listen there, and why
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const std::string& address, const std::vector<grpc::Service*>& services,
      prometheus::Registry* registry = nullptr, const RpcIdentity& self = {},
      SpanFile* spans = nullptr);
  ~GrpcServer();

  int port() const { return port_; }

  // What the health service answers.
  void SetServing(bool serving);

  // Refuses new calls and gives running ones `grace` to end.
  void Shutdown(absl::Duration grace);

 private:
  GrpcServer() = default;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace rlhf
