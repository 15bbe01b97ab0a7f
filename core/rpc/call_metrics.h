// Prometheus series of the calls that a gRPC server answers, in the shape that
// Go's servers have (etcd's for one), which existing dashboards know:
//   grpc_server_handled_total{grpc_type,grpc_service,grpc_method,grpc_code}
//   grpc_server_handling_seconds{grpc_type,grpc_service,grpc_method}
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "prometheus/registry.h"

namespace rlhf {

// Counts each call when its status is sent; a stream's time is that of the
// whole stream. Calls of methods that none of our protos has are one method,
// "unknown", and health checks are left out. `registry` must outlive the
// server. Thread-safe.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeCallMetrics(prometheus::Registry& registry);

}  // namespace rlhf
