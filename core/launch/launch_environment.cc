#include "core/launch/launch_environment.h"

#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/launch/launch_variables.h"
#include "core/launch/launchers.h"

extern char** environ;

namespace rlhf {

using Environment = std::map<std::string, std::string>;

std::string LaunchInfo::OneLine() const {
  if (launcher == "single") return "launch: single process";
  std::string line =
      absl::StrCat("launch: ", launcher, " rank ", rank, "/", world_size);
  if (!master_address.empty()) {
    absl::StrAppend(&line, " master ", master_address, ":", master_port);
  }
  absl::StrAppend(&line, " restart ", restart_count);
  return line;
}

namespace {

// Which GPU and how many cores a rank takes follows from these two; that of the
// ranks on this machine which is not set counts as 1.
absl::StatusOr<LaunchInfo> WithSoundLocalRank(const LaunchInfo& info) {
  if (info.local_rank < info.local_world_size) return info;
  return LaunchError(absl::StrCat(
      info.launcher, " says that this is local rank ", info.local_rank, " of ",
      info.local_world_size,
      " on this machine; set both (LOCAL_RANK and LOCAL_WORLD_SIZE, or what "
      "the launcher has for them) or none"));
}

}  // namespace

absl::StatusOr<LaunchInfo> DetectLaunch(const Environment& environment,
                                        const LaunchFlags& flags) {
  RLHF_ASSIGN_OR_RETURN(std::optional<LaunchInfo> found, FromFlags(flags));
  if (found.has_value()) return *found;
  const LaunchVariables variables(environment);
  for (const auto launcher : {FromTorchrun, FromPet, FromLeaderWorkerSet,
                              FromJobSet, FromSlurm, FromMpi}) {
    RLHF_ASSIGN_OR_RETURN(found, launcher(variables));
    if (found.has_value()) return WithSoundLocalRank(*found);
  }
  // Nobody exports these for a process that works alone.
  if (variables.Has("MASTER_ADDR") || variables.Has("MASTER_PORT")) {
    return variables.RequireAll(
        {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"},
        "set all four (torchrun does) or none");
  }
  return LaunchInfo();
}

Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

}  // namespace rlhf
