#include "core/rpc/call_check.h"

#include <grpc/grpc_security_constants.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/permissions.h"
#include "core/rpc/role_uri.h"

namespace rlhf {
namespace {

class CallCheck final : public grpc::AuthMetadataProcessor {
 public:
  CallCheck(Build server, std::string run)
      : server_(std::move(server)), run_(std::move(run)) {}

  // It only compares: a thread of its own would cost more.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* connection, OutputMetadata*,
                       OutputMetadata*) override {
    const absl::string_view method = Text(metadata, ":path");
    const absl::Status build = CheckBuild(method, Text(metadata, "user-agent"));
    if (!build.ok()) return ToGrpcStatus(build);
    if (run_.empty()) return grpc::Status::OK;
    return ToGrpcStatus(CheckRole(method, *connection));
  }

 private:
  static absl::string_view Text(const InputMetadata& metadata,
                                const char* name) {
    const auto it = metadata.find(name);
    if (it == metadata.end()) return "";
    return absl::string_view(it->second.data(), it->second.size());
  }

  absl::Status CheckBuild(absl::string_view method,
                          absl::string_view user_agent) const {
    if (absl::StartsWith(method, "/grpc.health.")) return absl::OkStatus();
    const auto client = ParseUserAgent(user_agent);
    if (!client.has_value()) return absl::OkStatus();
    return CheckNeighbours(server_, *client);
  }

  absl::Status CheckRole(absl::string_view method,
                         const grpc::AuthContext& connection) const {
    std::vector<absl::string_view> uris;
    for (const grpc::string_ref& uri :
         connection.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
      uris.emplace_back(uri.data(), uri.size());
    }
    RLHF_ASSIGN_OR_RETURN(const std::string role, RoleOf(uris, run_));
    return CheckPermission(role, method);
  }

  const Build server_;
  const std::string run_;
};

}  // namespace

std::shared_ptr<grpc::AuthMetadataProcessor> MakeCallCheck(Build server,
                                                           std::string run) {
  return std::make_shared<CallCheck>(std::move(server), std::move(run));
}

}  // namespace rlhf
