// doctor: what is wrong with this machine, or between machines, for a run.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/config_flag.h"
#include "cli/doctor/check_run.h"
#include "cli/doctor/judge_ranks.h"
#include "cli/doctor/measure_ranks.h"
#include "cli/local_ranks.h"
#include "cli/verbs.h"
#include "core/base/counted.h"
#include "core/base/status_macros.h"
#include "core/launch/launch_environment.h"
#include "core/nn/device.h"

namespace rlhf {
namespace {

// What one call of the verb found.
struct Report {
  Findings findings;
  std::optional<RanksFigures> ranks = std::nullopt;
};

absl::StatusOr<RanksFigures> Measure(const v1::LearnerConfig& learner,
                                     const LaunchInfo& launch) {
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("learner.device", learner.device(),
                                   {.rank = launch.local_rank,
                                    .count = launch.local_world_size}));
  return MeasureRanks(
      {.rank = launch.rank,
       .world_size = launch.world_size,
       .master_address = launch.master_address,
       .master_port = launch.master_port,
       .agent_store = launch.agent_store,
       .store_prefix = absl::StrCat("doctor/", launch.restart_count),
       .timeout = absl::Seconds(learner.collective_timeout_seconds()),
       .on_one_machine = launch.local_world_size == launch.world_size,
       .device = device});
}

void AddRanks(const absl::StatusOr<RanksFigures>& ranks, Report& report) {
  if (!ranks.ok()) {
    report.findings.push_back(
        {.subject = "ranks",
         .level = Level::kFault,
         .found = std::string(ranks.status().message()),
         .advice = "see whether that rank was started and what it says; that "
                   "it gets the same MASTER_ADDR and MASTER_PORT; and that no "
                   "firewall is between the machines"});
    return;
  }
  report.ranks = *ranks;
  Findings judged = JudgeRanks(*ranks);
  std::move(judged.begin(), judged.end(), std::back_inserter(report.findings));
}

void Print(const Report& report, bool json) {
  if (!json) {
    PrintFindings(report.findings, std::cout);
    if (report.ranks.has_value()) PrintPairs(*report.ranks, std::cout);
    return;
  }
  Json all = {{"faults", CountOf(report.findings, Level::kFault)},
              {"warnings", CountOf(report.findings, Level::kWarning)},
              {"findings", ToJson(report.findings)}};
  if (report.ranks.has_value()) all["ranks"] = ToJson(*report.ranks);
  std::cout << DumpJson(all) << "\n";
}

// The run's configuration, or, for ranks without one, the defaults.
absl::StatusOr<v1::RunConfig> ConfigOrDefaults(const Flags& flags) {
  if (!flags.String("config").empty()) return ConfigFromFlag(flags);
  if (flags.Repeated("set").empty()) return v1::RunConfig();
  return absl::InvalidArgumentError(
      "--set overrides a run file: give --config");
}

// That the run file is wrong is a finding as others are.
absl::Status TellOfConfig(const absl::Status& error, const Flags& flags,
                          const LaunchInfo& launch) {
  if (launch.rank > 0 || flags.String("config").empty()) return error;
  Print({.findings = {{.subject = "configuration",
                       .level = Level::kFault,
                       .found = std::string(error.message()),
                       .advice = "correct it; the rest was not looked at"}}},
        flags.Bool("json"));
  return absl::UnknownError("1 fault");
}

// Looks at the run, if there is one, and tells it all.
absl::Status Tell(const Flags& flags, const v1::RunConfig& config,
                  const LaunchInfo& launch,
                  const std::optional<absl::StatusOr<RanksFigures>>& ranks) {
  Report report;
  if (!flags.String("config").empty()) {
    report.findings = CheckRun(config, launch);
  }
  if (ranks.has_value()) AddRanks(*ranks, report);
  Print(report, flags.Bool("json"));
  const int faults = CountOf(report.findings, Level::kFault);
  if (faults == 0) return absl::OkStatus();
  return absl::UnknownError(Counted(faults, "fault"));
}

// The ranks of a launcher, of which rank 0 tells it.
absl::Status ExamineRanks(const Flags& flags, const v1::RunConfig& config,
                          const LaunchInfo& launch) {
  const auto ranks = Measure(config.learner(), launch);
  if (launch.rank > 0) return ranks.status();
  return Tell(flags, config, launch, ranks);
}

// Ranks on this machine, of which this process is the first.
absl::Status ExamineOwnRanks(const Flags& flags, const v1::RunConfig& config,
                             int num_ranks) {
  std::vector<std::string> args = flags.args();
  args.insert(args.begin(), "doctor");
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<OtherRanks> others,
      OtherRanks::Start(args, num_ranks, config.threads(),
                        absl::StrCat("/tmp/rlhf-doctor-", ::getpid())));
  auto ranks = Measure(config.learner(), others->launch());
  // With what the others said at last, if it failed.
  const absl::Status end = others->End(ranks.status());
  if (!end.ok()) ranks = end;
  return Tell(flags, config, others->launch(), ranks);
}

}  // namespace

absl::Status DoctorVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const LaunchInfo launch,
                        DetectLaunch(ReadEnvironment()));
  const int ranks = static_cast<int>(flags.Int("ranks"));
  const bool has_ranks = ranks > 1 || launch.world_size > 1;
  if (flags.String("config").empty() && !has_ranks) {
    return absl::InvalidArgumentError(
        "--config C is needed, or --ranks N, or a launcher that starts "
        "several");
  }
  const auto config = ConfigOrDefaults(flags);
  if (!config.ok()) return TellOfConfig(config.status(), flags, launch);
  at::set_num_threads(config->threads());
  if (launch.world_size > 1 && ranks > 1 && ranks != launch.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ranks=", ranks, ", but a launcher has started ",
                     launch.world_size, " ranks; leave --ranks out"));
  }
  if (launch.world_size > 1) return ExamineRanks(flags, *config, launch);
  if (ranks > 1) return ExamineOwnRanks(flags, *config, ranks);
  return Tell(flags, *config, launch, std::nullopt);
}

}  // namespace rlhf
