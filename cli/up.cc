#include "cli/up.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/human_format.h"
#include "cli/local_ranks.h"
#include "cli/role_clients.h"
#include "cli/role_resources.h"
#include "cli/run_checks.h"
#include "cli/run_directory.h"
#include "cli/run_processes.h"
#include "cli/run_report.h"
#include "cli/supervisor.h"
#include "cli/terminal_view.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json_lines.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/rpc/permissions.h"
#include "core/telemetry/metrics_server.h"
#include "core/telemetry/series.h"
#include "trainer/order_log.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);
constexpr int kLooksPerTick = 10;
constexpr absl::Duration kPollTimeout = absl::Milliseconds(500);
constexpr absl::Duration kStopGrace = absl::Seconds(60);
constexpr absl::Duration kCountTimeout = absl::Seconds(30);
// Updates whose mean time gives the rate and the time left.
constexpr int kRateUpdates = 3;
// The view shows fewer; a run of weeks makes more than anybody wants copied.
constexpr size_t kKeptUpdates = 256;

double MeanSecondsOfNewest(const std::vector<v1::UpdateReport>& updates) {
  const int count = std::min(kRateUpdates, static_cast<int>(updates.size()));
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    sum += UpdateSeconds(updates[updates.size() - 1 - i]);
  }
  return count > 0 ? sum / count : 0;
}

const char* StateWord(ProcessState state) {
  switch (state) {
    case ProcessState::kRunning:
      return "running";
    case ProcessState::kWaitingToRestart:
      return "restarting";
    case ProcessState::kDone:
      return "done";
    case ProcessState::kStopped:
      break;
  }
  return "stopped";
}

// The report for people, and where to find what the run made.
std::string Summary(const std::string& run_dir, const v1::Report& report) {
  const int64_t version = report.updates().empty()
                              ? 0
                              : report.updates().rbegin()->policy_version();
  return absl::StrCat(
      SummaryTable(report), "\npolicy: ",
      ModelRegistry(run_dir + "/registry/policy").Directory(version),
      "\nreport: ", run_dir, "/report.json\n");
}

// One session: from the start of the roles to the end of the last of them.
class Session {
 public:
  Session(const v1::RunConfig& config, RpcIdentity self, std::string binary,
          bool plain)
      : config_(config),
        self_(std::move(self)),
        run_dir_(RunDirectory(config)),
        processes_(
            config, std::move(binary),
            [this](const std::string& role) { return ProgressOf(role); },
            [this] { return HasAllUpdates(); }),
        view_(plain),
        clients_(config, self_, kPollTimeout),
        new_updates_(run_dir_ + "/metrics.jsonl"),
        new_orders_(OrderLogPath(run_dir_)) {
    // Those of earlier sessions.
    new_orders_.NewLines();
    state_.run_name = config.name();
    state_.run_dir = run_dir_;
    state_.page_url =
        absl::StrCat("http://", config.feedback().http_address(), "/");
    state_.num_updates = config.ppo().num_updates();
    state_.max_comparisons = config.feedback().max_comparisons();
    session_.set_started(absl::FormatTime(absl::Now(), absl::UTCTimeZone()));
  }

  // Errors: as RunUp.
  absl::Status Run();

 private:
  bool HasAllUpdates() const;
  Progress ProgressOf(absl::string_view role) const;
  // Counts the restarts of these processes in /metrics.
  void CountRestarts(const std::vector<ProcessSpec>& processes,
                     SupervisorOptions& options);
  absl::Status CheckPmWillCome() const;
  absl::Status Train();
  absl::Status Evaluate();
  // What a process may take to stop.
  absl::Duration StopGrace() const {
    return std::max(
        kStopGrace,
        absl::Seconds(config_.learner().preemption_grace_seconds() + 10));
  }
  // Stops the processes and remembers what they took.
  void StopAll(Supervisor* supervisor, const std::string& why);
  void ShowRoles(const Supervisor& supervisor);
  void PollRoles();
  void ReadNewUpdates();
  // A learner that was ordered to stop takes the run with it.
  void StopIfOrdered();
  void CountWorkers();
  absl::Status AppendThisSession();
  absl::Status Finish();

  const v1::RunConfig& config_;
  const RpcIdentity self_;
  const std::string run_dir_;
  const RunProcesses processes_;
  const Stopwatch stopwatch_;
  TerminalView view_;
  const RoleClients clients_;
  JsonLinesTail new_updates_;
  JsonLinesTail new_orders_;
  ViewState state_;
  v1::Report session_;
  // As metrics.jsonl tells: those done again after a crash counted again, and
  // the highest.
  int64_t num_updates_done_ = 0;
  int64_t furthest_update_ = 0;
  // What the reward server said last.
  std::string pm_load_error_;
  // Whether every role ended well when it was asked to.
  absl::Status stop_status_;
  prometheus::Registry series_;
};

void Session::CountRestarts(const std::vector<ProcessSpec>& processes,
                            SupervisorOptions& options) {
  const auto restarts = [this](const std::string& role,
                               const char* reason) -> prometheus::Counter& {
    return AddCounter(series_, "rlhf_restarts_total",
                      "Restarts of a process, by what had become of it.",
                      {{"component", role}, {"reason", reason}});
  };
  // A series that begins at 1 would hide its first restart from increase().
  for (const ProcessSpec& process : processes) {
    for (const char* reason : {"signal", "error", "exit", "stuck", "group"}) {
      restarts(process.role, reason);
    }
  }
  options.on_restart = [restarts](const std::string& role, const char* reason) {
    restarts(role, reason).Increment();
  };
}

bool Session::HasAllUpdates() const {
  const auto updates = ReadUpdates(run_dir_);
  return updates.ok() && !updates->empty() &&
         updates->back().update() >= config_.ppo().num_updates();
}

// Of what a role does, not of what the others do meanwhile: people go on
// comparing while a learner crashes again and again.
Progress Session::ProgressOf(absl::string_view role) const {
  if (role == "learner") return {num_updates_done_, furthest_update_};
  int64_t work = state_.feedback.num_comparisons();
  if (role == "refresher") work = state_.refresher.pms_size();
  if (role == "actor" || role == "reward-server") work = furthest_update_;
  return {work, work};
}

void Session::ReadNewUpdates() {
  for (const std::string& line : new_updates_.NewLines()) {
    v1::UpdateReport update;
    // The report names a broken line; the view goes on without it.
    if (!JsonToProto(line, &update).ok()) continue;
    ++num_updates_done_;
    furthest_update_ = std::max(furthest_update_, update.update());
    auto& updates = state_.updates;
    // After a crash the learner does some updates again.
    while (!updates.empty() && updates.back().update() >= update.update()) {
      updates.pop_back();
    }
    updates.push_back(std::move(update));
    if (updates.size() > kKeptUpdates) updates.erase(updates.begin());
  }
  state_.seconds_per_update = MeanSecondsOfNewest(state_.updates);
}

void Session::StopIfOrdered() {
  for (const std::string& line : new_orders_.NewLines()) {
    if (IsStopOrder(line)) RequestShutdown();
  }
}

void Session::PollRoles() {
  if (auto learner = clients_.Learner(); learner.ok()) {
    state_.learner = *std::move(learner);
  }
  if (auto refresher = clients_.Refresher(); refresher.ok()) {
    state_.refresher = *std::move(refresher);
  }
  if (auto feedback = clients_.Feedback(); feedback.ok()) {
    state_.feedback = *std::move(feedback);
  }
  if (const auto rewards = clients_.RewardServer();
      rewards.ok() && rewards->load_error() != pm_load_error_) {
    pm_load_error_ = rewards->load_error();
    if (!pm_load_error_.empty()) {
      view_.Event(absl::StrCat("reward-server cannot load the promoted PM: ",
                               pm_load_error_));
    }
  }
  ReadNewUpdates();
}

void Session::ShowRoles(const Supervisor& supervisor) {
  state_.roles.clear();
  for (const ProcessView& process : supervisor.Views()) {
    state_.roles.push_back({process.role, StateWord(process.state),
                            process.rss_bytes, process.num_restarts});
  }
  state_.elapsed_seconds = stopwatch_.seconds();
  view_.Show(state_);
}

void Session::StopAll(Supervisor* supervisor, const std::string& why) {
  const Stopwatch waited;
  const absl::Duration grace = StopGrace();
  const auto on_wait = [&](const std::vector<std::string>& roles) {
    // Not every tenth of a second.
    if (state_.phase == why && state_.waiting_for == roles) return;
    state_.phase = why;
    state_.waiting_for = roles;
    ShowRoles(*supervisor);
  };
  const std::vector<std::string> failures = supervisor->Stop(grace, on_wait);
  for (const std::string& failure : failures) view_.Event(failure);
  state_.phase = why;
  state_.waiting_for.clear();
  ShowRoles(*supervisor);
  if (!failures.empty()) {
    stop_status_.Update(absl::UnavailableError(
        absl::StrCat("while stopping, ", absl::StrJoin(failures, "; "))));
  }
  for (const ProcessView& process : supervisor->Views()) {
    v1::ProcessReport* const report = session_.add_processes();
    report->set_role(process.role);
    report->set_peak_rss_bytes(process.peak_rss_bytes);
    report->set_num_restarts(process.num_restarts);
  }
}

void Session::CountWorkers() {
  const RoleClients patient(config_, self_, kCountTimeout);
  if (const auto stats = patient.Feedback(); stats.ok()) {
    state_.feedback = *stats;
  }
  if (state_.feedback.num_comparisons() == 0) return;
  const auto workers = patient.CountByWorker(state_.feedback.num_comparisons());
  if (!workers.ok()) {
    view_.Event(absl::StrCat("comparisons per worker are unknown: ",
                             workers.status().message()));
    return;
  }
  session_.mutable_workers()->Add(workers->begin(), workers->end());
}

// The last planned PM was refused and none serves: PPO would wait for ever.
absl::Status Session::CheckPmWillCome() const {
  if (!state_.refresher.finished() || state_.refresher.pms().empty()) {
    return absl::OkStatus();
  }
  RLHF_ASSIGN_OR_RETURN(
      const std::optional<int64_t> serving,
      ModelRegistry(run_dir_ + "/registry/pm").Alias("serving"));
  if (serving.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "no preference model serves and no further one is planned; the last one "
      "was ",
      state_.refresher.pms(state_.refresher.pms_size() - 1).verdict(),
      "; plan another (preference.refresh_at, refresh_every, with enough "
      "comparisons), or promote one: rlhf pm promote VERSION --config ",
      run_dir_, "/config.txtpb --by NAME --reason TEXT"));
}

absl::Status Session::Train() {
  RLHF_ASSIGN_OR_RETURN(std::vector<ProcessSpec> roles, processes_.Roles());
  SupervisorOptions options;
  options.group_stop_grace = StopGrace();
  CountRestarts(roles, options);
  Supervisor supervisor(std::move(roles), options);
  absl::Status status = supervisor.Start();
  while (status.ok() && !supervisor.IsDone("learner") && !ShutdownRequested()) {
    PollRoles();
    for (const std::string& event : supervisor.TakeEvents()) view_.Event(event);
    ShowRoles(supervisor);
    // A death is noticed sooner than people need to see it.
    for (int look = 0; look < kLooksPerTick && status.ok(); ++look) {
      if (WaitForShutdown(kTick / kLooksPerTick)) break;
      // First, so that a learner that ended as ordered is not started again.
      StopIfOrdered();
      if (ShutdownRequested()) break;
      status = supervisor.Poll();
    }
    if (status.ok()) status = CheckPmWillCome();
  }
  for (const std::string& event : supervisor.TakeEvents()) view_.Event(event);
  if (supervisor.IsDone("learner")) {
    PollRoles();
    CountWorkers();
  }
  StopAll(&supervisor, supervisor.IsDone("learner") ? "training is finished"
                       : status.ok()                ? "stopping"
                                                    : "giving up");
  ReadNewUpdates();
  return status;
}

absl::Status Session::Evaluate() {
  RLHF_ASSIGN_OR_RETURN(const v1::Report report,
                        BuildReport(run_dir_, config_));
  if (IsComplete(report, config_)) return absl::OkStatus();
  state_.phase = "evaluating the final against the initial policy";
  std::vector<ProcessSpec> processes = {processes_.Evaluation()};
  SupervisorOptions options;
  options.max_idle_restarts = 1;
  CountRestarts(processes, options);
  Supervisor supervisor(std::move(processes), options);
  absl::Status status = supervisor.Start();
  while (status.ok() && !supervisor.IsDone("eval-gold")) {
    ShowRoles(supervisor);
    if (WaitForShutdown(kTick)) break;
    status = supervisor.Poll();
  }
  StopAll(&supervisor, status.ok() ? "evaluated" : "evaluation failed");
  return status;
}

absl::Status Session::AppendThisSession() {
  session_.set_finished(absl::FormatTime(absl::Now(), absl::UTCTimeZone()));
  session_.set_wall_seconds(stopwatch_.seconds());
  session_.set_num_comparisons(state_.feedback.num_comparisons());
  return AppendSession(run_dir_, session_);
}

absl::Status Session::Finish() {
  RLHF_ASSIGN_OR_RETURN(const v1::Report report,
                        BuildReport(run_dir_, config_));
  RLHF_RETURN_IF_ERROR(WriteReport(run_dir_, report));
  view_.Print("\n" + Summary(run_dir_, report));
  return absl::OkStatus();
}

absl::Status Session::Run() {
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config_.up().metrics_port()), &series_));
  view_.Event(absl::StrCat("people compare at ", state_.page_url));
  ReadNewUpdates();
  if (!state_.updates.empty()) {
    view_.Event(absl::StrCat("continuing run ", config_.name(), " at update ",
                             state_.updates.back().update()));
  }
  absl::Status status = Train();
  const bool trained = status.ok() && HasAllUpdates();
  if (trained && !ShutdownRequested()) status = Evaluate();
  status.Update(AppendThisSession());
  if (ShutdownRequested()) {
    view_.Print(absl::StrCat(
        "\nstopped after update ",
        state_.updates.empty() ? 0 : state_.updates.back().update(), " of ",
        state_.num_updates, "; the same command goes on from here\n"));
    status.Update(stop_status_);
    status.Update(
        absl::CancelledError("asked to stop before the run was finished"));
    return status;
  }
  // Without the evaluation the report is still worth having.
  if (trained) RLHF_RETURN_IF_ERROR(Finish());
  return status;
}

void SummariseFinishedRun(const std::string& run_dir,
                          const v1::Report& report) {
  const std::string summary = absl::StrCat(
      "run ", report.run_name(), " is finished already; remove ", run_dir,
      " or give another name to run again\n\n", Summary(run_dir, report));
  ::fputs(summary.c_str(), stdout);
}

}  // namespace

absl::Status RunUp(const v1::RunConfig& config, bool plain) {
  const std::string run_dir = RunDirectory(config);
  RLHF_ASSIGN_OR_RETURN(std::string binary, ThisBinary());
  RLHF_RETURN_IF_ERROR(MakeDirectories(run_dir));
  RLHF_ASSIGN_OR_RETURN(const RunLock lock, RunLock::Acquire(run_dir));
  RLHF_RETURN_IF_ERROR(PrepareRunDirectory(run_dir, config));
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Report> finished,
                        ReadFinishedReport(config));
  if (finished.has_value()) {
    SummariseFinishedRun(run_dir, *finished);
    return absl::OkStatus();
  }
  RLHF_RETURN_IF_ERROR(CheckCpusAreHere(config));
  RLHF_RETURN_IF_ERROR(CheckRunCanFinish(config, run_dir));
  RLHF_RETURN_IF_ERROR(CheckPortsFree(ListenFields(config)));
  RLHF_ASSIGN_OR_RETURN(RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  return Session(config, std::move(self), std::move(binary), plain).Run();
}

}  // namespace rlhf
