// Which versions of this program may work on one run together. A client says in
// each call's user agent what it is; a server refuses those too far from it
// before their call is looked at (core/rpc/call_check.h).
#pragma once

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

}  // namespace rlhf
