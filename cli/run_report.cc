#include "cli/run_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/human_format.h"
#include "core/base/counted.h"
#include "core/base/file.h"
#include "core/base/json_lines.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/base/version.h"
#include "core/config/run_config.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

absl::Status AddGold(const std::string& run_dir, v1::Report* report) {
  const std::string path = run_dir + "/gold.json";
  if (!FileExists(path)) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::Status parsed = JsonToProto(text, report->mutable_gold());
  if (parsed.ok()) return parsed;
  return absl::DataLossError(absl::StrCat(path, ": ", parsed.message()));
}

// Adds memory and restarts of one session to those of earlier ones.
void AddProcess(const v1::ProcessReport& process, v1::Report* report) {
  for (v1::ProcessReport& known : *report->mutable_processes()) {
    if (known.role() != process.role()) continue;
    known.set_peak_rss_bytes(
        std::max(known.peak_rss_bytes(), process.peak_rss_bytes()));
    known.set_num_restarts(known.num_restarts() + process.num_restarts());
    return;
  }
  *report->add_processes() = process;
}

absl::Status AddSessions(const std::string& run_dir, v1::Report* report) {
  RLHF_ASSIGN_OR_RETURN(const auto sessions,
                        ReadJsonLines<v1::Report>(run_dir + "/sessions.jsonl"));
  for (const v1::Report& session : sessions) {
    if (report->started().empty()) report->set_started(session.started());
    report->set_finished(session.finished());
    report->set_wall_seconds(report->wall_seconds() + session.wall_seconds());
    report->set_num_comparisons(
        std::max(report->num_comparisons(), session.num_comparisons()));
    if (session.workers_size() > 0) {
      *report->mutable_workers() = session.workers();
    }
    for (const auto& process : session.processes()) AddProcess(process, report);
  }
  return absl::OkStatus();
}

void AddPhases(v1::Report* report) {
  double generation = 0, advantage = 0, optimization = 0, broadcast = 0,
         checkpoint = 0;
  for (const v1::UpdateReport& update : report->updates()) {
    generation += update.generation_seconds();
    advantage += update.advantage_seconds();
    optimization += update.update_seconds();
    broadcast += update.broadcast_seconds();
    checkpoint += update.checkpoint_seconds();
  }
  double pm = 0;
  for (const v1::PmReport& trained : report->pms()) {
    pm += trained.train_seconds();
  }
  const std::pair<const char*, double> phases[] = {
      {"generation", generation}, {"advantage", advantage},
      {"update", optimization},   {"broadcast", broadcast},
      {"checkpoint", checkpoint}, {"preference_model", pm}};
  for (const auto& [phase, seconds] : phases) {
    v1::PhaseTime* const added = report->add_phases();
    added->set_phase(phase);
    added->set_seconds(seconds);
  }
}

// How often consecutive updates were rewarded by different PMs.
int64_t CountSwaps(const v1::Report& report) {
  int64_t num_swaps = 0;
  for (int i = 1; i < report.updates_size(); ++i) {
    num_swaps += report.updates(i).pm().version() !=
                 report.updates(i - 1).pm().version();
  }
  return num_swaps;
}

}  // namespace

absl::Status AppendSession(const std::string& run_dir,
                           const v1::Report& session) {
  return AppendLine(run_dir + "/sessions.jsonl", ProtoToJsonLine(session));
}

absl::StatusOr<v1::Report> BuildReport(const std::string& run_dir,
                                       const v1::RunConfig& config) {
  v1::Report report;
  report.set_run_name(config.name());
  report.set_rlhf_version(kRlhfVersion);
  RLHF_ASSIGN_OR_RETURN(const auto updates, ReadUpdates(run_dir));
  report.mutable_updates()->Add(updates.begin(), updates.end());
  RLHF_ASSIGN_OR_RETURN(const auto pms, ReadPmReports(run_dir));
  report.mutable_pms()->Add(pms.begin(), pms.end());
  RLHF_RETURN_IF_ERROR(AddGold(run_dir, &report));
  RLHF_RETURN_IF_ERROR(AddSessions(run_dir, &report));
  AddPhases(&report);
  report.set_num_pm_swaps_during_ppo(CountSwaps(report));
  return report;
}

absl::Status WriteReport(const std::string& run_dir, const v1::Report& report) {
  return WriteFileAtomically(run_dir + "/report.json",
                             ProtoToPrettyJson(report));
}

absl::StatusOr<std::optional<v1::Report>> ReadFinishedReport(
    const v1::RunConfig& config) {
  const std::string path = RunDirectory(config) + "/report.json";
  if (!FileExists(path)) return std::optional<v1::Report>();
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  v1::Report report;
  RLHF_RETURN_IF_ERROR(WithContext(JsonToProto(text, &report), path));
  if (!IsComplete(report, config)) return std::optional<v1::Report>();
  return std::optional(std::move(report));
}

bool IsComplete(const v1::Report& report, const v1::RunConfig& config) {
  if (report.updates().empty()) return false;
  const v1::UpdateReport& last = *report.updates().rbegin();
  const bool evaluated =
      config.evaluation().num_prompts() == 0 ||
      (report.has_gold() &&
       report.gold().final_policy_version() == last.policy_version());
  return last.update() >= config.ppo().num_updates() && evaluated;
}

namespace {

constexpr int kUpdateRows = 8;

// Rows of the update table: evenly spaced, with the first and the last.
void AppendUpdateTable(const v1::Report& report, std::string* text) {
  if (report.updates().empty()) return;
  absl::StrAppend(text,
                  "\nupdate   reward  anchored   KL nats/token   "
                  "KL nats/sequence   PM\n");
  const int last = report.updates_size() - 1;
  const int rows = std::min(kUpdateRows, last + 1);
  for (int row = 0; row < rows; ++row) {
    const auto& update =
        report.updates(rows == 1 ? 0 : row * last / (rows - 1));
    absl::StrAppendFormat(
        text, "%6d  %+7.3f   %+7.3f   %13.4f   %16.3f   v%d\n", update.update(),
        update.reward_mean(), update.reward_anchored_mean(),
        update.kl_k1_nats_per_token(), update.kl_k1_nats_per_sequence(),
        update.pm().version());
  }
}

void AppendPms(const v1::Report& report, std::string* text) {
  if (report.pms().empty()) return;
  absl::StrAppend(text,
                  "\nPM   comparisons   trained on   held-out accuracy         "
                  "  promoted\n");
  for (const v1::PmReport& pm : report.pms()) {
    absl::StrAppendFormat(
        text, "v%-3d %11d   %10d   %.3f [%.3f, %.3f] on %-4d %s\n",
        pm.pm().version(), pm.data().last_seq(), pm.num_train(),
        pm.held_out_accuracy(), pm.held_out_accuracy_low(),
        pm.held_out_accuracy_high(), pm.num_held_out(),
        pm.promoted() ? absl::StrCat("update ", pm.promoted_at_update())
                      : "no");
  }
}

void AppendGold(const v1::Report& report, std::string* text) {
  if (!report.has_gold()) return;
  const v1::GoldEvaluation& gold = report.gold();
  absl::StrAppendFormat(
      text,
      "\ngold win rate of policy v%d against the initial policy: %.1f %%\n"
      "  95 %% interval [%.1f, %.1f] on %d prompts not trained on "
      "(%d won, %d tied, %d lost)\n"
      "  mean gold score %.3f, initially %.3f\n",
      gold.final_policy_version(), 100 * gold.win_rate(),
      100 * gold.win_rate_low(), 100 * gold.win_rate_high(), gold.num_prompts(),
      gold.wins(), gold.ties(), gold.losses(), gold.gold_mean_final(),
      gold.gold_mean_initial());
}

void AppendCosts(const v1::Report& report, std::string* text) {
  absl::StrAppend(text, "\nphase              time\n");
  for (const v1::PhaseTime& phase : report.phases()) {
    absl::StrAppendFormat(text, "%-18s %s\n", phase.phase(),
                          HumanSeconds(phase.seconds()));
  }
  absl::StrAppend(text, "\nprocess          peak memory   restarts\n");
  for (const v1::ProcessReport& process : report.processes()) {
    absl::StrAppendFormat(text, "%-16s %11s   %8d\n", process.role(),
                          HumanBytes(process.peak_rss_bytes()),
                          process.num_restarts());
  }
}

}  // namespace

std::string SummaryTable(const v1::Report& report) {
  std::string text =
      absl::StrFormat("run %s: %s, %s, %s during PPO, %s\n", report.run_name(),
                      Counted(report.updates_size(), "update"),
                      Counted(report.num_comparisons(), "comparison"),
                      Counted(report.num_pm_swaps_during_ppo(), "PM swap"),
                      HumanSeconds(report.wall_seconds()));
  AppendUpdateTable(report, &text);
  AppendPms(report, &text);
  AppendGold(report, &text);
  AppendCosts(report, &text);
  return text;
}

}  // namespace rlhf
