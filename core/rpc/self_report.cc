#include "core/rpc/self_report.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rlhf {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

class SelfReport final : public grpc::experimental::Interceptor {
 public:
  explicit SelfReport(std::string build) : build_(std::move(build)) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      auto* const metadata = methods->GetSendInitialMetadata();
      metadata->emplace(kBuildKey, build_);
      metadata->emplace(kClockKey,
                        absl::StrCat(absl::ToUnixMicros(absl::Now())));
    }
    methods->Proceed();
  }

 private:
  const std::string build_;
};

class SelfReportFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit SelfReportFactory(std::string build) : build_(std::move(build)) {}

  // None for what is no health check: these calls are not to pay for it.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      ServerRpcInfo* info) override {
    return absl::StartsWith(info->method(), "/grpc.health.")
               ? new SelfReport(build_)
               : nullptr;
  }

 private:
  const std::string build_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeSelfReport(const Build& server) {
  return std::make_unique<SelfReportFactory>(UserAgent(server));
}

}  // namespace rlhf
