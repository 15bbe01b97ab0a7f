#include "cli/wait.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/config/tls_checks.h"
#include "core/rpc/channel.h"
#include "core/rpc/health.h"
#include "core/rpc/permissions.h"

namespace rlhf {
namespace {

constexpr absl::Duration kLookTime = absl::Seconds(1);
constexpr absl::Duration kPause = absl::Milliseconds(100);

struct Watched {
  std::string name;
  std::shared_ptr<grpc::Channel> channel;
  // Why it is not ready; empty if it is.
  std::string complaint = "";
};

std::string ComplaintOf(const absl::StatusOr<bool>& serving) {
  if (!serving.ok()) return std::string(serving.status().message());
  return *serving ? "" : "answers, but is not ready to serve";
}

// At once, so that those that do not answer do not add up.
void Look(std::vector<Watched>& servers) {
  std::vector<std::jthread> threads;
  for (Watched& server : servers) {
    threads.emplace_back([&server] {
      server.complaint = ComplaintOf(IsServing(server.channel, kLookTime));
    });
  }
}

std::vector<std::string> Complaints(const std::vector<Watched>& servers) {
  std::vector<std::string> complaints;
  for (const Watched& server : servers) {
    if (server.complaint.empty()) continue;
    complaints.push_back(absl::StrCat(server.name, ": ", server.complaint));
  }
  return complaints;
}

}  // namespace

absl::StatusOr<std::vector<Awaited>> AwaitedOf(
    const v1::RunConfig& config, const std::vector<std::string>& roles) {
  const std::vector<Awaited> all = {
      {"learner", config.learner().address()},
      {"actor", config.actor().address()},
      {"reward-server", config.reward_server().address()},
      {"refresher", config.preference().address()},
      {"feedback", config.feedback().address()}};
  std::vector<std::string> names;
  for (const Awaited& role : all) names.push_back(role.role);
  for (const std::string& role : roles) {
    if (std::find(names.begin(), names.end(), role) != names.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--role ", role, ": no role that serves; wanted one of ",
                     absl::StrJoin(names, ", ")));
  }
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  std::vector<Awaited> awaited;
  for (const Awaited& role : all) {
    if (!roles.empty() &&
        std::find(roles.begin(), roles.end(), role.role) == roles.end()) {
      continue;
    }
    RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> addresses,
                          SplitAddresses(role.address, HasTls(config)));
    for (const std::string& address : addresses) {
      awaited.push_back({role.role, address, self});
    }
  }
  return awaited;
}

absl::Status WaitUntilReady(const std::vector<Awaited>& servers,
                            absl::Duration timeout, std::ostream& progress) {
  const absl::Time deadline = MonotonicNow() + timeout;
  std::vector<Watched> watched;
  for (const Awaited& server : servers) {
    watched.push_back({absl::StrCat(server.role, server.role.empty() ? "" : " ",
                                    server.address),
                       MakeChannel(server.address, server.self, server.role)});
  }
  std::vector<std::string> told;
  while (true) {
    Look(watched);
    const std::vector<std::string> complaints = Complaints(watched);
    if (complaints.empty()) return absl::OkStatus();
    if (MonotonicNow() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("not ready after ", absl::FormatDuration(timeout),
                       ":\n  ", absl::StrJoin(complaints, "\n  ")));
    }
    if (complaints != told) {
      progress << "waiting for " << absl::StrJoin(complaints, "; ") << "\n"
               << std::flush;
      told = complaints;
    }
    absl::SleepFor(std::min(kPause, deadline - MonotonicNow()));
  }
}

}  // namespace rlhf
