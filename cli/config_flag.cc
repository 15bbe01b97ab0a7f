#include "cli/config_flag.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "cli/run_directory.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "feedback/access/web_origin.h"

namespace rlhf {
namespace {

// Two roles at one port would only be found out when the second one starts.
absl::Status CheckDistinctPorts(const v1::RunConfig& config) {
  std::map<std::string, std::string> field_of_port;
  for (const ListenField& listen : ListenFields(config)) {
    const std::string port =
        listen.address.substr(listen.address.rfind(':') + 1);
    if (port == "0") continue;  // any free one
    const auto [it, is_new] = field_of_port.emplace(port, listen.field);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(listen.field, ": port ", port, " is taken by ",
                       it->second, "; give each its own"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::RunConfig> LoadCheckedConfig(const std::string& path,
                                                const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(v1::RunConfig config,
                        LoadRunConfig(path, flags.Repeated("set")));
  RLHF_RETURN_IF_ERROR(CheckDistinctPorts(config));
  RLHF_RETURN_IF_ERROR(CheckPublicOrigin(config.feedback().access()));
  return config;
}

absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags) {
  if (flags.String("config").empty()) {
    return absl::InvalidArgumentError("--config is needed");
  }
  return LoadCheckedConfig(flags.String("config"), flags);
}

absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags) {
  if (flags.positional().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("wanted one configuration file, got ",
                     flags.positional().size(), " arguments"));
  }
  return LoadCheckedConfig(flags.positional()[0], flags);
}

}  // namespace rlhf
