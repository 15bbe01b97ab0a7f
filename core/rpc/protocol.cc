#include "core/rpc/protocol.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/version.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

class ProtocolCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit ProtocolCheck(Build server) : server_(std::move(server)) {}

  // It only compares: a thread of its own would cost more.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext*,
                       OutputMetadata*, OutputMetadata*) override {
    if (absl::StartsWith(Text(metadata, ":path"), "/grpc.health.")) {
      return grpc::Status::OK;
    }
    const auto client = ParseUserAgent(Text(metadata, "user-agent"));
    if (!client.has_value()) return grpc::Status::OK;
    return ToGrpcStatus(CheckNeighbours(server_, *client));
  }

 private:
  static absl::string_view Text(const InputMetadata& metadata,
                                const char* name) {
    const auto it = metadata.find(name);
    if (it == metadata.end()) return "";
    return absl::string_view(it->second.data(), it->second.size());
  }

  const Build server_;
};

}  // namespace

Build ThisBuild() {
  char host[256] = "";
  (void)::gethostname(host, sizeof(host) - 1);
  return {.version = kRlhfVersion,
          .protocol = kProtocol,
          .place = absl::StrCat(host, ":", ::getpid())};
}

std::string UserAgent(const Build& build) {
  return absl::StrCat("rlhf/", build.version, " protocol/", build.protocol,
                      " at/", build.place);
}

std::optional<Build> ParseUserAgent(absl::string_view user_agent) {
  // gRPC adds words of its own behind.
  const std::vector<absl::string_view> words =
      absl::StrSplit(user_agent, absl::MaxSplits(' ', 3));
  if (words.size() < 3) return std::nullopt;
  absl::string_view version = words[0], protocol = words[1], place = words[2];
  Build build;
  if (!absl::ConsumePrefix(&version, "rlhf/") ||
      !absl::ConsumePrefix(&protocol, "protocol/") ||
      !absl::ConsumePrefix(&place, "at/") ||
      !absl::SimpleAtoi(protocol, &build.protocol)) {
    return std::nullopt;
  }
  build.version = std::string(version);
  build.place = std::string(place);
  return build;
}

absl::Status CheckNeighbours(const Build& server, const Build& client) {
  if (std::abs(int64_t{server.protocol} - client.protocol) <= 1) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the server at ", server.place, " is rlhf ", server.version,
      " (protocol ", server.protocol, "), its caller ", client.place,
      " is rlhf ", client.version, " (protocol ", client.protocol,
      "); the processes of a run may be one protocol apart: update ",
      server.protocol < client.protocol ? "the server" : "the caller"));
}

std::shared_ptr<grpc::AuthMetadataProcessor> MakeProtocolCheck(Build server) {
  return std::make_shared<ProtocolCheck>(std::move(server));
}

}  // namespace rlhf
