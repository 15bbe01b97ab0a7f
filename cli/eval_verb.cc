// eval: measurements of finished runs.
#include <ATen/Parallel.h>

#include <iostream>

#include "cli/config_flag.h"
#include "cli/gold_evaluation.h"
#include "cli/pm_judge.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"

namespace rlhf {

absl::Status EvalVerb(const Flags& flags) {
  if (flags.positional() != std::vector<std::string>{"gold"}) {
    return absl::InvalidArgumentError("wanted the name of a suite: gold");
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  at::set_num_threads(config.threads());
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<GoldJudge> judge,
                        MakeGoldJudge(config.crowd().gold_model()));
  RLHF_ASSIGN_OR_RETURN(const v1::GoldEvaluation evaluation,
                        EvaluateGold(config, *judge));
  const std::string json = ProtoToPrettyJson(evaluation);
  RLHF_RETURN_IF_ERROR(
      WriteFileAtomically(RunDirectory(config) + "/gold.json", json));
  std::cout << json;
  return absl::OkStatus();
}

}  // namespace rlhf
