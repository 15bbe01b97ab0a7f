#include "core/rpc/protocol.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/version.h"

namespace rlhf {

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

}  // namespace rlhf
