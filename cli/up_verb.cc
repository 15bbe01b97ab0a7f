// up, status, top and wait: a run as a whole.
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/config_flag.h"
#include "cli/status.h"
#include "cli/top.h"
#include "cli/up.h"
#include "cli/verbs.h"
#include "cli/wait.h"
#include "core/base/file.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"

namespace rlhf {
namespace {

// What one argument of `rlhf wait` stands for: a run file, or else an address.
absl::StatusOr<std::vector<Awaited>> AwaitedOfArgument(
    const std::string& argument, const Flags& flags) {
  if (!FileExists(argument) && absl::StrContains(argument, ':')) {
    if (!flags.Repeated("role").empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--role chooses among the roles of a run file; ",
                       argument, " is an address"));
    }
    RLHF_RETURN_IF_ERROR(CheckAddress(argument, /*has_tls=*/false));
    return std::vector<Awaited>{{"", argument}};
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config,
                        LoadCheckedConfig(argument, flags));
  return AwaitedOf(config, flags.Repeated("role"));
}

}  // namespace

absl::Status UpVerb(const Flags& flags) {
  InstallShutdownHandler();
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  return RunUp(config, flags.Bool("plain"));
}

absl::Status StatusVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  return PrintStatus(config, flags.Bool("json"));
}

absl::Status TopVerb(const Flags& flags) {
  InstallShutdownHandler();
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  return RunTop(config, flags.Bool("plain"));
}

absl::Status WaitVerb(const Flags& flags) {
  if (!flags.Bool("ready") || flags.positional().empty()) {
    return absl::InvalidArgumentError(
        "wanted --ready and a run file or addresses, such as `rlhf wait "
        "--ready run.txtpb --timeout 60`");
  }
  std::vector<Awaited> servers;
  for (const std::string& argument : flags.positional()) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<Awaited> some,
                          AwaitedOfArgument(argument, flags));
    servers.insert(servers.end(), some.begin(), some.end());
  }
  RLHF_RETURN_IF_ERROR(WaitUntilReady(
      servers, absl::Seconds(flags.Double("timeout")), std::cerr));
  std::cout << "ready\n";
  return absl::OkStatus();
}

}  // namespace rlhf
