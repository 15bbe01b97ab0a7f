#include "cli/doctor/check_run.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/doctor/judge_machine.h"
#include "cli/doctor/judge_role.h"
#include "cli/doctor/measure_machine.h"
#include "cli/doctor/measure_roles.h"
#include "cli/plan_input.h"
#include "cli/run_checks.h"
#include "cli/run_directory.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/config/tls_checks.h"
#include "core/rpc/permissions.h"
#include "core/rpc/tls_files.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// Of a prompt, as `rlhf plan` takes it.
constexpr int64_t kPromptTokens = 64;

void Append(Findings more, Findings& findings) {
  std::move(more.begin(), more.end(), std::back_inserter(findings));
}

Finding Fault(const std::string& subject, const absl::Status& status,
              const std::string& advice) {
  return {.subject = subject,
          .level = Level::kFault,
          .found = std::string(status.message()),
          .advice = advice};
}

// Whether the run can come to its end, and the plan of its learner's `ranks`.
absl::StatusOr<PlanInput> CheckConfiguration(const v1::RunConfig& config,
                                             int ranks, Findings& findings) {
  auto input = PlanInputOf(config, ranks, kPromptTokens);
  absl::Status whole = input.status();
  if (whole.ok()) whole = CheckRunCanFinish(config, RunDirectory(config));
  if (whole.ok()) {
    findings.push_back({.subject = "configuration", .found = "good"});
  } else {
    findings.push_back(
        Fault("configuration", whole, "correct the run file or the path"));
  }
  if (input.ok()) {
    input->sharded = config.learner().sharding() == v1::LearnerConfig::SHARDED;
  }
  return input;
}

// Of the roles whose files are on this machine, and the operator.
void CheckCertificates(const v1::RunConfig& config, Findings& findings) {
  if (!HasTls(config)) return;
  std::vector<std::string> roles = {"operator"};
  if (absl::StrContains(config.tls().certificate(), "{role}")) {
    roles = {"operator",      "learner",   "actor",
             "reward-server", "refresher", "feedback"};
  }
  for (const std::string& role : roles) {
    const v1::TlsConfig files = TlsFilesOf(config.tls(), role);
    if (role != kOperatorRole && !FileExists(files.certificate())) continue;
    absl::Status check = CheckTlsFiles(files, config.name(), role);
    const auto end = CertificateEnd(files.certificate());
    check.Update(end.status());
    findings.push_back(JudgeCertificate(
        role, check, end.ok() ? *end - absl::Now() : absl::ZeroDuration()));
  }
}

// The role whose field it is, as its verb is called; empty: none that answers.
std::string OwnerOf(const std::string& field) {
  static const auto* const owners =
      new std::map<std::string, std::string>{{"learner", "learner"},
                                             {"actor", "actor"},
                                             {"reward_server", "reward-server"},
                                             {"preference", "refresher"},
                                             {"feedback", "feedback"}};
  const auto it = owners->find(field.substr(0, field.find('.')));
  return it == owners->end() ? "" : it->second;
}

bool IsUp(const std::vector<RoleFigures>& roles, const std::string& name) {
  return std::any_of(roles.begin(), roles.end(), [&](const RoleFigures& role) {
    return role.answer.ok() && (name.empty() || role.role == name);
  });
}

// The ports at which no role answers gRPC.
void CheckOtherPorts(const v1::RunConfig& config,
                     const std::vector<RoleFigures>& roles,
                     Findings& findings) {
  const bool learner_is_here =
      std::any_of(roles.begin(), roles.end(), [](const RoleFigures& role) {
        return role.role == "learner" &&
               (role.place == Place::kFree || role.place == Place::kInUse);
      });
  for (const ListenField& listen : ListenFields(config)) {
    if (absl::EndsWith(listen.field, ".address")) continue;
    if (listen.field == "learner.weights_port" && !learner_is_here) continue;
    const auto socket = Listen(listen.address);
    if (socket.ok()) ::close(socket->fd);
    findings.push_back(JudgePort(listen.field, listen.address, socket.status(),
                                 IsUp(roles, OwnerOf(listen.field))));
  }
}

// Returns whether a learner answers.
bool CheckRoles(const v1::RunConfig& config, Findings& findings) {
  const auto servers = AwaitedOf(config, {});
  if (!servers.ok()) {
    findings.push_back(Fault("roles", servers.status(),
                             "without certificates nobody can be asked"));
    return false;
  }
  const std::vector<RoleFigures> roles = LookAtRoles(config, *servers);
  for (const RoleFigures& role : roles) {
    Append(JudgeRole(role, IsUp(roles, ""), ThisBuild()), findings);
  }
  CheckOtherPorts(config, roles, findings);
  return IsUp(roles, "learner");
}

DiskNeeds NeedsOf(const v1::LearnerConfig& learner, PlanInput plan) {
  // One rank's share of them is not what is written.
  plan.ranks = 1;
  plan.sharded = false;
  const PlanMemory memory = PlannedMemory(plan);
  return {.checkpoint_bytes = memory.weights + memory.optimizer,
          // And the one that is being written.
          .checkpoints =
              learner.checkpoints_kept() + learner.best_checkpoints_kept() + 1,
          .grace_s = learner.preemption_grace_seconds()};
}

void CheckMachine(const v1::RunConfig& config,
                  const absl::StatusOr<PlanInput>& plan, int64_t planned_bytes,
                  Findings& findings) {
  std::optional<DiskNeeds> needs;
  if (plan.ok()) needs = NeedsOf(config.learner(), *plan);
  Append(JudgeDisk(MeasureDisk(config.runs_dir()), needs), findings);
  findings.push_back(JudgeMemory(MeasureMemory(), planned_bytes));
  findings.push_back(JudgeSharedMemory(
      FreeSharedMemory(), absl::StartsWith(config.learner().device(), "cuda") &&
                              config.learner().num_ranks() > 1));
  findings.push_back(JudgeOpenFiles(OpenFileLimit()));
  findings.push_back(JudgeProcessor(
      MeasureProcessor(config.learner().dtype() == v1::BFLOAT16 ? at::kBFloat16
                                                                : at::kFloat),
      config.threads()));
}

}  // namespace

Findings CheckRun(const v1::RunConfig& config, const LaunchInfo& launch) {
  const bool launched = launch.world_size > 1;
  const int ranks = launched ? launch.world_size : config.learner().num_ranks();
  const int local_ranks = launched ? launch.local_world_size : ranks;
  Findings findings;
  const auto plan = CheckConfiguration(config, ranks, findings);
  CheckCertificates(config, findings);
  const bool learner_is_up = CheckRoles(config, findings);
  // One that runs has its memory already.
  const bool to_come =
      plan.ok() && !learner_is_up && config.learner().device() == "cpu";
  CheckMachine(config, plan,
               to_come ? local_ranks * PlannedMemory(*plan).total() : 0,
               findings);
  return findings;
}

}  // namespace rlhf
