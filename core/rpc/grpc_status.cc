#include "core/rpc/grpc_status.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

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

}  // namespace rlhf
