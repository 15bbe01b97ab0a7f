#include "core/rpc/call_spans.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_status.h"
#include "core/telemetry/trace_context.h"

namespace rlhf {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

class CallSpan final : public grpc::experimental::Interceptor {
 public:
  CallSpan(SpanFile* spans, const char* method)
      : spans_(spans), method_(absl::StripPrefix(method, "/")) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      ReadParent(*methods);
    }
    if (parent_.has_value() && methods->QueryInterceptionHookPoint(
                                   InterceptionHookPoints::PRE_SEND_STATUS)) {
      Record(FromGrpcStatus(methods->GetSendStatus()));
    }
    methods->Proceed();
  }

 private:
  void ReadParent(InterceptorBatchMethods& methods) {
    const auto* const metadata = methods.GetRecvInitialMetadata();
    if (metadata == nullptr) return;
    const auto it = metadata->find(kTraceparent);
    if (it == metadata->end()) return;
    parent_ = ParseTraceparent({it->second.data(), it->second.size()});
  }

  void Record(absl::Status status) {
    Span span = SpanSince(started_, method_);
    span.context = NewSpanIn(*parent_);
    span.parent_span_id = parent_->span_id;
    span.kind = SpanKind::kServer;
    span.status = std::move(status);
    spans_->Add(span);
  }

  SpanFile* const spans_;
  const std::string method_;
  const absl::Time started_ = MonotonicNow();
  std::optional<TraceContext> parent_;
};

class CallSpansFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallSpansFactory(SpanFile* spans) : spans_(spans) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      ServerRpcInfo* info) override {
    return new CallSpan(spans_, info->method());
  }

 private:
  SpanFile* const spans_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeCallSpans(SpanFile* spans) {
  return std::make_unique<CallSpansFactory>(spans);
}

}  // namespace rlhf
