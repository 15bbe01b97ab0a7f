// Serves /metrics (Prometheus text format) and /healthz of one process.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/telemetry/http_server.h"
#include "prometheus/registry.h"

namespace rlhf {

// The series of `registry` and those of ProcessMetrics, as Prometheus reads
// them. Thread-safe.
HttpResponse MetricsResponse(const prometheus::Registry& registry);

class MetricsServer {
 public:
  // Errors: as HttpServer::Start. `registry` is not owned and must outlive the
  // server.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const std::string& address, const prometheus::Registry* registry);

  int port() const { return server_->port(); }

 private:
  explicit MetricsServer(std::unique_ptr<HttpServer> server)
      : server_(std::move(server)) {}

  const std::unique_ptr<HttpServer> server_;
};

}  // namespace rlhf
