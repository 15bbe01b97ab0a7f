#include "cli/config_flag.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/config/run_config.h"

namespace rlhf {
namespace {

absl::StatusOr<v1::RunConfig> Load(const std::string& path,
                                   const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(v1::RunConfig config,
                        LoadRunConfig(path, flags.Repeated("set")));
  RLHF_RETURN_IF_ERROR(CheckAddresses(config));
  return config;
}

std::string Local(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

std::vector<NamedPort> AllPorts(const v1::RunConfig& config) {
  return {
      {"learner.address", config.learner().address()},
      {"learner.metrics_port", Local(config.learner().metrics_port())},
      {"actor.address", config.actor().address()},
      {"actor.metrics_port", Local(config.actor().metrics_port())},
      {"reward_server.address", config.reward_server().address()},
      {"reward_server.metrics_port",
       Local(config.reward_server().metrics_port())},
      {"preference.address", config.preference().address()},
      {"preference.metrics_port", Local(config.preference().metrics_port())},
      {"feedback.address", config.feedback().address()},
      {"feedback.http_address", config.feedback().http_address()},
      {"crowd.metrics_port", Local(config.crowd().metrics_port())},
  };
}

absl::Status CheckAddresses(const v1::RunConfig& config) {
  std::map<std::string, std::string> field_of_port;
  for (const NamedPort& named : AllPorts(config)) {
    const absl::Status status = CheckLoopback(named.address);
    if (!status.ok()) return WithContext(status, named.field);
    const std::string port = named.address.substr(named.address.rfind(':') + 1);
    const auto [it, is_new] = field_of_port.emplace(port, named.field);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(named.field, ": port ", port, " is taken by ",
                       it->second, "; give each its own"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags) {
  if (flags.String("config").empty()) {
    return absl::InvalidArgumentError("--config is needed");
  }
  return Load(flags.String("config"), flags);
}

absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags) {
  if (flags.positional().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("wanted one configuration file, got ",
                     flags.positional().size(), " arguments"));
  }
  return Load(flags.positional()[0], flags);
}

}  // namespace rlhf
