// trace: one rollout from its lease to its update.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/config_flag.h"
#include "cli/trace.h"
#include "cli/verbs.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"

namespace rlhf {

absl::Status TraceVerb(const Flags& flags) {
  if (flags.positional().size() != 1) {
    return absl::InvalidArgumentError(
        "wanted the id of one rollout, such as 000012/007");
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<TracedSpan> spans,
      ReadTraces(absl::StrCat(RunDirectory(config), "/traces")));
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines,
                        DescribeTrace(spans, flags.positional().front()));
  for (const std::string& line : lines) std::cout << line << "\n";
  return absl::OkStatus();
}

}  // namespace rlhf
