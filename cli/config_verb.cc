// config and version.
#include <iostream>

#include "cli/config_flag.h"
#include "cli/verbs.h"
#include "cli/versions.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"

namespace rlhf {
absl::Status ConfigVerb(const Flags& flags) {
  const std::vector<std::string>& words = flags.positional();
  if (words.size() == 2 && words[0] == "show") {
    RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config,
                          LoadCheckedConfig(words[1], flags));
    std::cout << ResolvedText(config);
    return absl::OkStatus();
  }
  if (words.size() == 2 && words[0] == "check") {
    RLHF_RETURN_IF_ERROR(LoadCheckedConfig(words[1], flags).status());
    std::cout << words[1] << ": good\n";
    return absl::OkStatus();
  }
  if (words.size() == 3 && words[0] == "diff") {
    RLHF_ASSIGN_OR_RETURN(const v1::RunConfig a,
                          LoadCheckedConfig(words[1], flags));
    RLHF_ASSIGN_OR_RETURN(const v1::RunConfig b,
                          LoadCheckedConfig(words[2], flags));
    for (const std::string& line : DiffConfigs(a, b)) std::cout << line << "\n";
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "wanted: show FILE, check FILE, or diff OLD NEW");
}

absl::Status VersionVerb(const Flags&) {
  std::cout << VersionText();
  return absl::OkStatus();
}

}  // namespace rlhf
