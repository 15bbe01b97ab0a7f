#include "core/rpc/call_metrics.h"

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/base/clock.h"
#include "core/telemetry/series.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"

namespace rlhf {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

const char* TypeName(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? "bidi_stream" : "client_stream";
  }
  return method.server_streaming() ? "server_stream" : "unary";
}

// As Go writes them.
const char* CodeName(grpc::StatusCode code) {
  constexpr const char* kNames[] = {"OK",
                                    "Canceled",
                                    "Unknown",
                                    "InvalidArgument",
                                    "DeadlineExceeded",
                                    "NotFound",
                                    "AlreadyExists",
                                    "PermissionDenied",
                                    "ResourceExhausted",
                                    "FailedPrecondition",
                                    "Aborted",
                                    "OutOfRange",
                                    "Unimplemented",
                                    "Internal",
                                    "Unavailable",
                                    "DataLoss",
                                    "Unauthenticated"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "Unknown";
}

// "/rlhf.v1.Reward/Score" as labels. Names come from the protos, not from
// clients, who could else make series without end.
SeriesLabels LabelsOf(const ServerRpcInfo& info) {
  const std::string path =
      absl::StrReplaceAll(absl::StripPrefix(info.method(), "/"), {{"/", "."}});
  const auto* const method =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          path);
  if (method == nullptr) {
    return {{"grpc_type", "unary"},
            {"grpc_service", ""},
            {"grpc_method", "unknown"}};
  }
  return {{"grpc_type", TypeName(*method)},
          {"grpc_service", std::string(method->service()->full_name())},
          {"grpc_method", std::string(method->name())}};
}

// The two families.
struct Series {
  explicit Series(prometheus::Registry& registry)
      : handled(prometheus::BuildCounter()
                    .Name("grpc_server_handled_total")
                    .Help("Calls answered, by status.")
                    .Register(registry)),
        seconds(prometheus::BuildHistogram()
                    .Name("grpc_server_handling_seconds")
                    .Help("From the start of a call to its status.")
                    .Register(registry)) {}

  prometheus::Family<prometheus::Counter>& handled;
  prometheus::Family<prometheus::Histogram>& seconds;
};

class CallMetrics final : public grpc::experimental::Interceptor {
 public:
  CallMetrics(const Series& series, SeriesLabels labels)
      : series_(series), labels_(std::move(labels)) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      Count(methods->GetSendStatus().error_code());
    }
    methods->Proceed();
  }

 private:
  void Count(grpc::StatusCode code) {
    static const prometheus::Histogram::BucketBoundaries kSeconds = {
        0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};
    series_.seconds.Add(labels_, kSeconds).Observe(stopwatch_.seconds());
    labels_["grpc_code"] = CodeName(code);
    series_.handled.Add(labels_).Increment();
  }

  const Series& series_;
  SeriesLabels labels_;
  const Stopwatch stopwatch_;
};

class CallMetricsFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallMetricsFactory(prometheus::Registry& registry)
      : series_(registry) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      ServerRpcInfo* info) override {
    if (absl::StartsWith(info->method(), "/grpc.health.")) return nullptr;
    return new CallMetrics(series_, LabelsOf(*info));
  }

 private:
  const Series series_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeCallMetrics(prometheus::Registry& registry) {
  return std::make_unique<CallMetricsFactory>(registry);
}

}  // namespace rlhf
