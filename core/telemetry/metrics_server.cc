#include "core/telemetry/metrics_server.h"

#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "core/telemetry/process_metrics.h"
#include "prometheus/text_serializer.h"

namespace rlhf {
namespace {

HttpResponse Route(const prometheus::Registry& registry,
                   const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return JsonErrorResponse(405, "only GET is served here");
  }
  if (request.path == "/metrics") return MetricsResponse(registry);
  if (request.path == "/healthz") return {.body = "ok\n"};
  return JsonErrorResponse(404, "this server has /metrics and /healthz");
}

}  // namespace

HttpResponse MetricsResponse(const prometheus::Registry& registry) {
  std::vector<prometheus::MetricFamily> families = registry.Collect();
  for (prometheus::MetricFamily& family : ProcessMetrics().Collect()) {
    families.push_back(std::move(family));
  }
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = prometheus::TextSerializer().Serialize(families)};
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& address, const prometheus::Registry* registry) {
  HttpLimits limits;
  limits.max_body_bytes = 0;
  limits.max_connections = 32;
  limits.num_threads = 1;
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<HttpServer> server,
                        HttpServer::Start(
                            address,
                            [registry](const HttpRequest& request) {
                              return Route(*registry, request);
                            },
                            limits));
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(server)));
}

}  // namespace rlhf
