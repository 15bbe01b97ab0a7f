#include "cli/config_flag.h"

#include "absl/strings/str_cat.h"
#include "core/config/run_config.h"

namespace rlhf {

absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags) {
  if (flags.String("config").empty()) {
    return absl::InvalidArgumentError("--config is needed");
  }
  return LoadRunConfig(flags.String("config"), flags.Repeated("set"));
}

absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags) {
  if (flags.positional().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("wanted one configuration file, got ",
                     flags.positional().size(), " arguments"));
  }
  return LoadRunConfig(flags.positional()[0], flags.Repeated("set"));
}

}  // namespace rlhf
