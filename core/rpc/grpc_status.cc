#include "core/rpc/grpc_status.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/rpc/retry_after.h"

namespace rlhf {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const std::string& message = status.error_message();
  // gRPC names every address and layer; the reason is the last word.
  if (absl::StartsWith(message, "failed to connect to all addresses")) {
    const size_t reason = message.rfind(": ");
    if (reason != std::string::npos) {
      return absl::Status(
          code, absl::StrCat("cannot connect: ", message.substr(reason + 2)));
    }
  }
  return absl::Status(code, message);
}

absl::Status FromGrpcStatus(const grpc::Status& status,
                            const grpc::ClientContext& context) {
  absl::Status result = FromGrpcStatus(status);
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto pause = trailers.find(kRetryAfterKey);
  int64_t ms = 0;
  if (result.ok() || pause == trailers.end() ||
      !absl::SimpleAtoi(
          absl::string_view(pause->second.data(), pause->second.size()), &ms) ||
      ms < 0) {
    return result;
  }
  return WithRetryAfter(std::move(result), absl::Milliseconds(ms));
}

void SendRetryAfter(const absl::Status& status,
                    grpc::CallbackServerContext& context) {
  const auto pause = RetryAfter(status);
  if (!pause.has_value()) return;
  context.AddTrailingMetadata(kRetryAfterKey,
                              absl::StrCat(absl::ToInt64Milliseconds(*pause)));
}

}  // namespace rlhf
