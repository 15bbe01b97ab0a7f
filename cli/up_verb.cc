// up and status: a run as a whole.
#include "cli/config_flag.h"
#include "cli/status.h"
#include "cli/up.h"
#include "cli/verbs.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::Status UpVerb(const Flags& flags) {
  InstallShutdownHandler();
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  return RunUp(config, flags.Bool("plain"));
}

absl::Status StatusVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  return PrintStatus(config, flags.Bool("json"));
}

}  // namespace rlhf
