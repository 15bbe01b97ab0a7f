// Which versions of this program may work on one run together. A client says in
// each call's user agent what it is; a server refuses those too far from it
// before their call is looked at.
#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Of the calls in proto/. To be raised by 1 when a process would misunderstand
// one that was built before; neighbours must understand each other, so that a
// run can be updated one process after another.
inline constexpr int kProtocol = 1;

// One of our processes.
struct Build {
  std::string version;  // "0.1.0"
  int protocol = 0;
  // A server's address; a client's "HOST:PID".
  std::string place;
};

// This process, as a client.
Build ThisBuild();

// "rlhf/0.1.0 protocol/1 at/HOST:PID", and back; nullopt for other programs.
std::string UserAgent(const Build& build);
std::optional<Build> ParseUserAgent(absl::string_view user_agent);

// FailedPrecondition, naming both, if the protocols are more than 1 apart.
absl::Status CheckNeighbours(const Build& server, const Build& client);

// Refuses calls of the wrong builds to `server`. Lets pass whatever does not
// name a build (grpcurl, say), and health checks, by which probes of any
// version see that a server lives. Thread-safe; does not block.
std::shared_ptr<grpc::AuthMetadataProcessor> MakeProtocolCheck(Build server);

}  // namespace rlhf
