// What `rlhf up` starts: every process of a run, as the supervisor wants it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/role_resources.h"
#include "cli/supervisor.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

class RunProcesses {
 public:
  // `config` is not owned. `binary` is executed as `rlhf`; `progress` of a role
  // ("actor") is that of each of its processes; `is_trained` tells whether a
  // learner that ended well is done. All must outlive the specs.
  RunProcesses(const v1::RunConfig& config, std::string binary,
               std::function<Progress(const std::string& role)> progress,
               std::function<bool()> is_trained);

  // All roles, in the order they are started in. The first process of a role is
  // named for it, the others "actor-1" and so on.
  // Errors: those of FreePort, where the learner's ranks meet.
  absl::StatusOr<std::vector<ProcessSpec>> Roles() const;

  // The evaluation after the last update.
  ProcessSpec Evaluation() const;

 private:
  // Process `index` of `count` of a role: `rlhf VERB SETTINGS… CONFIG…`.
  ProcessSpec Child(const std::string& verb, int index, int count,
                    const std::vector<std::string>& settings = {}) const;
  // The same in general: the binary with `arguments`.
  ProcessSpec Program(const std::string& name,
                      std::vector<std::string> arguments,
                      const ProcessResources& resources) const;
  std::vector<ProcessSpec> Actors() const;
  absl::StatusOr<std::vector<ProcessSpec>> RewardServers() const;
  // The learner's ranks, which meet at `master_port`.
  std::vector<ProcessSpec> Ranks(int master_port) const;

  const v1::RunConfig& config_;
  const std::string run_dir_;
  const std::string config_path_;
  const std::string binary_;
  const std::function<Progress(const std::string&)> progress_;
  const std::function<bool()> is_trained_;
};

}  // namespace rlhf
