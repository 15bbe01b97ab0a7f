// The verbs that run one role, and those on configurations.
#include <ATen/Parallel.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "actor/actor.h"
#include "cli/config_flag.h"
#include "cli/pm_judge.h"
#include "cli/verbs.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "crowd/crowd.h"
#include "crowd/feedback_http_client.h"
#include "feedback/feedback_server.h"
#include "feedback/import_export.h"
#include "reward_server/reward_server.h"
#include "trainer/learner.h"
#include "trainer/refresher.h"

namespace rlhf {
namespace {

// The configuration of a role that runs a model, which ends by itself after a
// signal.
absl::StatusOr<v1::RunConfig> ModelRoleConfig(const Flags& flags) {
  InstallShutdownHandler();
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  at::set_num_threads(config.threads());
  return config;
}

}  // namespace

absl::Status LearnerVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ModelRoleConfig(flags));
  RLHF_ASSIGN_OR_RETURN(
      const LaunchInfo launch,
      DetectLaunch(ReadEnvironment(), {.rank = flags.String("rank"),
                                       .world_size = flags.String("world-size"),
                                       .master = flags.String("master")}));
  // The ranks on one machine share what one process would have.
  at::set_num_threads(std::max(1, config.threads() / launch.local_world_size));
  return RunLearner(config, launch);
}

absl::Status ActorVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ModelRoleConfig(flags));
  return RunActor(config);
}

absl::Status RewardServerVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ModelRoleConfig(flags));
  return RunRewardServer(config);
}

absl::Status RefresherVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ModelRoleConfig(flags));
  return RunRefresher(config);
}

absl::Status CrowdVerb(const Flags& flags) {
  InstallShutdownHandler();
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  const std::string gold_model = flags.String("gold-model").empty()
                                     ? config.crowd().gold_model()
                                     : flags.String("gold-model");
  at::set_num_threads(config.threads());
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<GoldJudge> judge,
                        MakeGoldJudge(gold_model));
  return RunCrowd(config, judge.get());
}

}  // namespace rlhf
