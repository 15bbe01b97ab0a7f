#include "cli/run_processes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/local_ranks.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/config/run_config.h"
#include "core/config/tls_checks.h"

namespace rlhf {

RunProcesses::RunProcesses(
    const v1::RunConfig& config, std::string binary,
    std::function<Progress(const std::string& role)> progress,
    std::function<bool()> is_trained)
    : config_(config),
      run_dir_(RunDirectory(config)),
      config_path_(run_dir_ + "/config.txtpb"),
      binary_(std::move(binary)),
      progress_(std::move(progress)),
      is_trained_(std::move(is_trained)) {}

ProcessSpec RunProcesses::Child(
    const std::string& verb, int index, int count,
    const std::vector<std::string>& settings) const {
  const ProcessResources resources = ResourcesOf(config_, verb, index, count);
  std::vector<std::string> arguments = {verb};
  const auto set = [&](const std::string& setting) {
    arguments.insert(arguments.end(), {"--set", setting});
  };
  if (resources.threads != config_.threads()) {
    set(absl::StrCat("threads=", resources.threads));
  }
  for (const std::string& setting : settings) set(setting);
  if (verb != "crowd") arguments.push_back("--config");
  arguments.push_back(config_path_);
  ProcessSpec spec = Program(index == 0 ? verb : absl::StrCat(verb, "-", index),
                             std::move(arguments), resources);
  spec.progress = [this, verb] { return progress_(verb); };
  return spec;
}

ProcessSpec RunProcesses::Program(const std::string& name,
                                  std::vector<std::string> arguments,
                                  const ProcessResources& resources) const {
  ProcessSpec spec;
  spec.role = name;
  spec.argv = std::move(arguments);
  spec.argv.insert(spec.argv.begin(), binary_);
  // An OpenMP thread that has nothing to do spins for a moment, which saves
  // many sleeps between two products, then sleeps: it would take the cores from
  // other roles (docs/decisions/0015-update-cost.md).
  spec.environment = {absl::StrCat("OMP_NUM_THREADS=", resources.threads),
                      "GOMP_SPINCOUNT=2000", "OMP_WAIT_POLICY=PASSIVE"};
  spec.log_path = absl::StrCat(run_dir_, "/logs/", name, ".log");
  spec.cpus = resources.cpus;
  return spec;
}

std::vector<ProcessSpec> RunProcesses::Ranks(int master_port) const {
  const int num_ranks = config_.learner().num_ranks();
  std::vector<ProcessSpec> ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    ProcessSpec& spec = ranks.emplace_back(Child("learner", rank, num_ranks));
    // Exit code 0 counts only where metrics.jsonl agrees.
    spec.is_done = is_trained_;
    if (num_ranks > 1) spec.group = "learner";
    // They share what one process would have.
    const int threads =
        ResourcesOf(config_, "learner", rank, num_ranks).threads;
    spec.environment[0] =
        absl::StrCat("OMP_NUM_THREADS=", std::max(1, threads / num_ranks));
    // A single rank, too, is told: this process may be a launcher's own, whose
    // variables are not meant for the learner.
    for (std::string& variable :
         RankEnvironment(rank, num_ranks, master_port)) {
      spec.environment.push_back(std::move(variable));
    }
  }
  return ranks;
}

// Nobody calls a further actor, so that any port does for it.
std::vector<ProcessSpec> RunProcesses::Actors() const {
  const int count = config_.up().num_actors();
  std::vector<ProcessSpec> actors = {Child("actor", 0, count)};
  for (int i = 1; i < count; ++i) {
    actors.push_back(
        Child("actor", i, count,
              {"actor.address=127.0.0.1:0",
               absl::StrCat("actor.metrics_port=",
                            config_.up().actor_metrics_port() + i)}));
  }
  return actors;
}

// Each listens at the first address it is given.
absl::StatusOr<std::vector<ProcessSpec>> RunProcesses::RewardServers() const {
  const int count = config_.up().num_reward_servers();
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<std::string> addresses,
      SplitAddresses(config_.reward_server().address(), HasTls(config_)));
  std::vector<ProcessSpec> servers = {Child("reward-server", 0, count)};
  for (int i = 1; i < count; ++i) {
    servers.push_back(
        Child("reward-server", i, count,
              {"reward_server.address=" + addresses[static_cast<size_t>(i)],
               absl::StrCat("reward_server.metrics_port=",
                            config_.up().reward_server_metrics_port() + i)}));
  }
  return servers;
}

absl::StatusOr<std::vector<ProcessSpec>> RunProcesses::Roles() const {
  RLHF_ASSIGN_OR_RETURN(std::vector<ProcessSpec> roles, RewardServers());
  roles.push_back(Child("refresher", 0, 1));
  roles.push_back(Child("feedback", 0, 1));
  for (ProcessSpec& actor : Actors()) roles.push_back(std::move(actor));
  RLHF_ASSIGN_OR_RETURN(const int port, FreePort());
  for (ProcessSpec& rank : Ranks(port)) {
    roles.push_back(std::move(rank));
  }
  if (!config_.crowd().workers().empty()) {
    roles.push_back(Child("crowd", 0, 1));
    roles.back().is_done = [] { return true; };
  }
  return roles;
}

ProcessSpec RunProcesses::Evaluation() const {
  ProcessSpec spec =
      Program("eval-gold", {"eval", "gold", "--config", config_path_},
              {.threads = config_.threads()});
  spec.is_done = [] { return true; };
  return spec;
}

}  // namespace rlhf
