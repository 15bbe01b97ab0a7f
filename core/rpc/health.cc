#include "core/rpc/health.h"

#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/self_report.h"

namespace rlhf {
namespace {

absl::string_view Text(const grpc::ClientContext& context, const char* key) {
  const auto& metadata = context.GetServerInitialMetadata();
  const auto it = metadata.find(key);
  if (it == metadata.end()) return "";
  return absl::string_view(it->second.data(), it->second.size());
}

void ReadSelfReport(const grpc::ClientContext& context, absl::Time asked,
                    HealthAnswer& answer) {
  answer.build = ParseUserAgent(Text(context, kBuildKey));
  int64_t micros = 0;
  if (!absl::SimpleAtoi(Text(context, kClockKey), &micros)) return;
  answer.clock_ahead =
      absl::FromUnixMicros(micros) - (asked + answer.round_trip / 2);
}

}  // namespace

absl::StatusOr<HealthAnswer> AskHealth(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout) {
  // The health service's messages are not among Debian's headers: an empty
  // request asks for the whole server, and the bytes 08 01 (field 1 is 1) say
  // SERVING.
  const auto context = ContextWithDeadline(timeout);
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  const absl::Time asked = absl::Now();
  const auto call = grpc::GenericStub(channel).PrepareUnaryCall(
      context.get(), "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpcStatus(status);
  HealthAnswer answer = {.round_trip = absl::Now() - asked};
  ReadSelfReport(*context, asked, answer);
  grpc::Slice bytes;
  answer.serving = response.DumpToSingleSlice(&bytes).ok() &&
                   bytes.size() == 2 && bytes.begin()[0] == 0x08 &&
                   bytes.begin()[1] == 0x01;
  return answer;
}

absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               absl::Duration timeout) {
  RLHF_ASSIGN_OR_RETURN(const HealthAnswer answer, AskHealth(channel, timeout));
  return answer.serving;
}

}  // namespace rlhf
