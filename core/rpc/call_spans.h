// Spans of the calls that a gRPC server answers, for callers that sent a
// `traceparent` and record.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "core/telemetry/span_file.h"

namespace rlhf {

// A span from the start of a call to its status, named after the method.
// `spans` is not owned and must outlive the server. Thread-safe.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeCallSpans(SpanFile* spans);

}  // namespace rlhf
