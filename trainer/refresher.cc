#include "trainer/refresher.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/process_lock.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/config/run_config.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/reward_client.h"
#include "core/telemetry/metrics_server.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "rlhf/v1/feedback.grpc.pb.h"
#include "trainer/candidate_trial.h"
#include "trainer/pm_data.h"
#include "trainer/pm_models.h"
#include "trainer/pm_plan.h"
#include "trainer/preference/gate.h"
#include "trainer/preference/paired_test.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/refresh_plan.h"
#include "trainer/refresher_metrics.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(500);
constexpr int kCalibrationBins = 10;

class RefreshService final : public v1::Refresh::Service {
 public:
  template <typename F>
  void Change(F&& change) {
    MutexLock lock(&mutex_);
    change(status_);
  }
  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRefreshStatusRequest*,
                         v1::RefreshStatus* response) override {
    MutexLock lock(&mutex_);
    *response = status_;
    return grpc::Status::OK;
  }

 private:
  Mutex mutex_;
  v1::RefreshStatus status_ ABSL_GUARDED_BY(mutex_);
};

class Refresher {
 public:
  Refresher(const v1::RunConfig& config, RefreshService* service,
            RefresherMetrics* metrics)
      : config_(config),
        preference_(config.preference()),
        initial_(preference_.initial_model().empty()
                     ? config.initial_policy()
                     : preference_.initial_model()),
        service_(service),
        metrics_(metrics),
        registry_(absl::StrCat(RunDirectory(config), "/registry/pm")),
        reports_path_(absl::StrCat(RunDirectory(config), "/pms.jsonl")),
        rewards_(config.reward_server().address()),
        trial_({.gate = preference_.gate(),
                .run_directory = RunDirectory(config),
                .registry = &registry_,
                .rewards = &rewards_,
                .show = [this](const std::string& phase,
                               double share) { Show(phase, share); }}),
        feedback_(
            v1::Feedback::NewStub(MakeChannel(config.feedback().address()))),
        learner_(
            v1::Control::NewStub(MakeChannel(config.learner().address()))) {}

  absl::Status Load() {
    RLHF_ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Load(initial_));
    RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(initial_));
    format_ = format;
    RLHF_ASSIGN_OR_RETURN(const ModelConfig base, LoadModelConfig(initial_));
    const int64_t layers =
        preference_.num_layers() == 0
            ? base.num_layers
            : std::min<int64_t>(preference_.num_layers(), base.num_layers);
    pm_config_ = AsPreferenceModel(base, layers, PadToken());
    RLHF_RETURN_IF_ERROR(ReadFixedData());
    RLHF_ASSIGN_OR_RETURN(reports_, ReadPmReports(RunDirectory(config_)));
    RLHF_RETURN_IF_ERROR(FinishInterrupted());
    service_->Change([&](v1::RefreshStatus& status) {
      status.mutable_pms()->Assign(reports_.begin(), reports_.end());
    });
    return absl::OkStatus();
  }

  // One look at the log; trains if a refresh is due.
  absl::Status Watch() {
    while (!interrupted_.empty()) {
      RLHF_RETURN_IF_ERROR(Conclude(interrupted_.front()));
      interrupted_.erase(interrupted_.begin());
    }
    const int64_t trained_on =
        reports_.empty() ? 0 : reports_.back().data().last_seq();
    const int64_t due = NextRefreshAt(preference_, trained_on);
    v1::FeedbackStats stats;
    const auto context = ContextWithDeadline(absl::Seconds(2));
    RLHF_RETURN_IF_ERROR(
        FromGrpcStatus(feedback_->GetStats(context.get(), {}, &stats)));
    service_->Change([&](v1::RefreshStatus& status) {
      status.set_phase("watching");
      status.set_num_comparisons(stats.num_comparisons());
      status.set_next_refresh_at(due);
      status.set_finished(due == 0);
      status.mutable_pms()->Assign(reports_.begin(), reports_.end());
    });
    if (due == 0 || stats.num_comparisons() < due ||
        stats.num_comparisons() == unusable_) {
      return absl::OkStatus();
    }
    v1::DataSnapshot snapshot;
    snapshot.set_last_seq(stats.num_comparisons());
    snapshot.set_chain_head(stats.chain_head());
    const absl::Status status = Refresh(snapshot);
    // One that is given up at shutdown is begun again.
    if (!ShutdownRequested()) {
      (status.ok() ? metrics_->refreshes_ok : metrics_->refreshes_failed)
          .Increment();
    }
    // Of these comparisons none can be trained on: more must come first.
    if (absl::IsFailedPrecondition(status)) {
      unusable_ = stats.num_comparisons();
    }
    return status;
  }

 private:
  // The comparisons of preference.data, which are in no log.
  absl::Status ReadFixedData() {
    for (const std::string& path : preference_.data()) {
      RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
      RLHF_ASSIGN_OR_RETURN(
          const ParsedComparisons parsed,
          ParseComparisons(text, path.substr(path.rfind('/') + 1)));
      fixed_data_.insert(fixed_data_.end(), parsed.comparisons.begin(),
                         parsed.comparisons.end());
      RLHF_LOG(INFO) << path << ": " << parsed.comparisons.size()
                     << " comparisons for every PM, " << parsed.refused.size()
                     << " lines are none";
    }
    return absl::OkStatus();
  }

  // What a killed refresher left between two of its steps: a published PM whose
  // trial, promotion or line in pms.jsonl is missing. The card knows the rest.
  absl::Status FinishInterrupted() {
    for (const int64_t version : registry_.Versions()) {
      const bool known = std::any_of(reports_.begin(), reports_.end(),
                                     [&](const v1::PmReport& report) {
                                       return report.pm().version() == version;
                                     });
      if (known) continue;
      RLHF_ASSIGN_OR_RETURN(const Json card, registry_.Card(version));
      v1::PmReport report;
      // A PM that somebody else published has no report.
      if (!card.contains("report") ||
          !JsonToProto(DumpJson(card["report"]), &report).ok()) {
        continue;
      }
      RLHF_ASSIGN_OR_RETURN(*report.mutable_pm(), registry_.Get(version));
      interrupted_.push_back(std::move(report));
    }
    return absl::OkStatus();
  }

  // Whether `version` served at any time.
  absl::StatusOr<bool> Served(int64_t version) const {
    RLHF_ASSIGN_OR_RETURN(const std::vector<Transition> history,
                          registry_.Transitions());
    return std::any_of(
        history.begin(), history.end(), [&](const Transition& transition) {
          const auto it = transition.aliases.find("serving");
          return it != transition.aliases.end() && it->second == version;
        });
  }

  void Show(const std::string& phase, double share) {
    service_->Change([&](v1::RefreshStatus& status) {
      status.set_phase(phase);
      status.set_progress(share);
    });
  }

  absl::Status Remember(const v1::PmReport& report) {
    reports_.push_back(report);
    (report.promoted() ? metrics_->gate_promoted : metrics_->gate_refused)
        .Increment();
    metrics_->accuracy.Set(report.held_out_accuracy());
    return AppendLine(reports_path_, ProtoToJsonLine(report));
  }

  // transformers takes the score at the last token that is not padding, so the
  // padding token must not be the one that ends a dialogue.
  std::optional<int32_t> PadToken() const {
    const std::optional<int32_t> pad = tokenizer_->TokenToId("<|endoftext|>");
    return pad == tokenizer_->eos_id() ? std::nullopt : pad;
  }

  absl::StatusOr<std::vector<v1::Comparison>> ReadLog(int64_t last_seq) {
    v1::ReadComparisonsRequest request;
    request.set_first_seq(1);
    request.set_last_seq(last_seq);
    const auto context = ContextWithDeadline(absl::Seconds(120));
    const auto reader = feedback_->ReadComparisons(context.get(), request);
    std::vector<v1::Comparison> comparisons;
    v1::Comparison comparison;
    while (reader->Read(&comparison)) comparisons.push_back(comparison);
    RLHF_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
    return comparisons;
  }

  absl::Status Refresh(const v1::DataSnapshot& snapshot) {
    RLHF_ASSIGN_OR_RETURN(std::vector<v1::Comparison> comparisons,
                          ReadLog(snapshot.last_seq()));
    comparisons.insert(comparisons.end(), fixed_data_.begin(),
                       fixed_data_.end());
    const PmData data =
        MakePmData(comparisons, *tokenizer_, *format_, preference_);
    if (data.training.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "none of ", comparisons.size(), " comparisons can be trained on"));
    }
    v1::PmReport report;
    report.mutable_pm()->set_version(registry_.Latest() + 1);
    *report.mutable_data() = snapshot;
    RLHF_LOG(INFO) << "training PM version " << report.pm().version() << " on "
                   << data.training.size() << " comparisons, "
                   << data.held_out.size() << " held out, " << data.num_too_long
                   << " too long, " << data.num_unusable << " unusable";
    RLHF_RETURN_IF_ERROR(LoadIncumbent());
    RLHF_ASSIGN_OR_RETURN(const PmModels pm, Train(data, report));
    RLHF_RETURN_IF_ERROR(Judge(pm, data, report));
    RLHF_RETURN_IF_ERROR(Publish(pm, report));
    return Conclude(report);
  }

  // The PM that serves, if one does.
  absl::Status LoadIncumbent() {
    incumbent_.reset();
    RLHF_ASSIGN_OR_RETURN(serving_, registry_.Alias("serving"));
    if (!serving_.has_value()) return absl::OkStatus();
    RLHF_ASSIGN_OR_RETURN(const Json card, registry_.Card(*serving_));
    RLHF_ASSIGN_OR_RETURN(incumbent_,
                          LoadPmModels(registry_.Directory(*serving_), card));
    return absl::OkStatus();
  }

  bool StartsWarm() const {
    return preference_.refresh_mode() == v1::PreferenceConfig::WARM_START &&
           incumbent_.has_value();
  }

  // Up to which comparison the serving PM was trained.
  int64_t IncumbentTrainedOn() const {
    for (const v1::PmReport& report : reports_) {
      if (report.pm().version() == serving_) return report.data().last_seq();
    }
    return 0;
  }

  absl::StatusOr<PmModels> Train(const PmData& data, v1::PmReport& report) {
    Show("training", 0);
    const Stopwatch stopwatch;
    const std::vector<MemberPlan> plans = PlanMembers(
        preference_,
        StartsWarm() ? FreshAndReplayed(data.training, IncumbentTrainedOn(),
                                        preference_.replay_share(),
                                        report.pm().version())
                     : data.training,
        config_.seed());
    const PmMembers members = MembersOf(preference_, plans);
    // Another set of members than the serving PM's has no models to start from.
    const bool warm =
        StartsWarm() && incumbent_->models.size() == members.members.size();
    const auto start = [&](size_t index) -> absl::StatusOr<Transformer> {
      if (warm) return incumbent_->models[index].Clone();
      RLHF_ASSIGN_OR_RETURN(const Transformer mapped,
                            LoadModelAs(pm_config_, initial_));
      return mapped.Clone();
    };
    RLHF_ASSIGN_OR_RETURN(
        PmModels pm,
        TrainMembers(members, plans, start,
                     {.num_epochs = preference_.num_epochs(),
                      .batch_size = preference_.batch_size(),
                      .learning_rate = preference_.learning_rate(),
                      .head_learning_rate = preference_.head_learning_rate(),
                      .weight_decay = preference_.weight_decay(),
                      .max_gradient_norm = preference_.max_gradient_norm()},
                     [this](double progress) {
                       Show("training", progress);
                       return !ShutdownRequested();
                     }));
    report.set_num_train(pm.num_trained_on);
    report.set_train_loss_first(pm.stats.first_loss);
    report.set_train_loss_last(pm.stats.last_loss);
    report.set_train_seconds(stopwatch.seconds());
    if (members.members.size() > 1) {
      for (const PmMember& member : members.members) {
        report.add_members(member.name);
      }
    }
    return pm;
  }

  // Measures the candidate and the serving PM on the same comparisons.
  absl::Status Judge(const PmModels& pm, const PmData& data,
                     v1::PmReport& report) {
    Show("evaluating", 0);
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<MeasuredPair> pairs,
        ScorePairsTogether(pm, data.held_out, kMicroBatchTokens));
    measurement_ = MeasurePm(pairs, kCalibrationBins);
    const Calibration& calibration = measurement_.calibration;
    report.set_num_held_out(calibration.num_pairs);
    report.set_held_out_accuracy(calibration.accuracy);
    report.set_held_out_accuracy_low(calibration.interval.low);
    report.set_held_out_accuracy_high(calibration.interval.high);
    report.set_held_out_loss(measurement_.loss);
    HeldOutEvidence evidence{
        .candidate = {.correct = calibration.num_correct,
                      .total = calibration.num_pairs},
        .losses_finite = std::isfinite(report.train_loss_last()) &&
                         std::isfinite(report.held_out_loss()),
        .calibration_error_low = measurement_.ece_interval.low,
        .length_bias = measurement_.prefers_longer_share -
                       measurement_.people_prefer_longer_share};
    if (incumbent_.has_value() && !data.held_out.empty()) {
      RLHF_ASSIGN_OR_RETURN(
          const std::vector<MeasuredPair> theirs,
          ScorePairsTogether(*incumbent_, data.held_out, kMicroBatchTokens));
      const Calibration other = MeasurePm(theirs, kCalibrationBins).calibration;
      evidence.incumbent =
          Incumbent{.result = {other.num_correct, other.num_pairs},
                    .discordance = CountDiscordance(pairs, theirs),
                    .slices = CompareSlices(pairs, theirs)};
      report.set_incumbent_accuracy(other.accuracy);
    }
    Tell(DecidePromotion(evidence, ThresholdsOf(preference_.gate())), report);
    return absl::OkStatus();
  }

  // Adds a look's verdict to what the report says already.
  static void Tell(const GateVerdict& verdict, v1::PmReport& report) {
    report.set_promoted(verdict.promote);
    report.set_verdict(
        report.verdict().empty()
            ? verdict.reason
            : absl::StrCat(report.verdict(), "; ", verdict.reason));
    for (const GateFinding& finding : verdict.findings) {
      v1::GateCheck& check = *report.add_checks();
      check.set_name(finding.name);
      check.set_passed(finding.passed);
      check.set_detail(finding.detail);
    }
  }

  absl::Status Publish(const PmModels& pm, v1::PmReport& report) {
    RLHF_ASSIGN_OR_RETURN(const Json described,
                          ParseJson(ProtoToJsonLine(report)));
    const Json card = {{"report", described},
                       {"held_out", ToJson(measurement_)},
                       {"pm_members", ToJson(pm.members)}};
    RLHF_ASSIGN_OR_RETURN(*report.mutable_pm(),
                          registry_.Publish(report.pm().version(), card,
                                            [&](const std::string& folder) {
                                              return SavePmModels(pm, initial_,
                                                                  folder);
                                            }));
    return registry_.SetAlias(
        "candidate", report.pm().version(),
        {.by = "refresher",
         .reason = absl::StrCat("trained on ", report.num_train(), " pairs")});
  }

  // From a published candidate to a promotion or a refusal. May be called again
  // for one that a killed refresher left anywhere on the way.
  absl::Status Conclude(v1::PmReport report) {
    RLHF_ASSIGN_OR_RETURN(serving_, registry_.Alias("serving"));
    RLHF_ASSIGN_OR_RETURN(const bool served, Served(report.pm().version()));
    if (report.promoted() && !served) {
      // The first has nobody to stand beside.
      if (serving_.has_value()) {
        RLHF_ASSIGN_OR_RETURN(const GateVerdict trial,
                              trial_.Run(report.pm().version()));
        if (!trial.findings.empty()) Tell(trial, report);
      }
      if (report.promoted()) {
        RLHF_RETURN_IF_ERROR(
            registry_.Promote(report.pm().version(), serving_,
                              {.by = "gate", .reason = report.verdict()}));
      }
    }
    report.set_promoted_at_update(UpdatesDone());
    RLHF_LOG(INFO) << "PM version " << report.pm().version() << ": "
                   << report.verdict();
    return Remember(report);
  }

  // For the report only: a learner that does not answer counts as 0.
  int64_t UpdatesDone() {
    v1::LearnerStatus status;
    const auto context = ContextWithDeadline(absl::Seconds(2));
    return learner_->GetStatus(context.get(), {}, &status).ok()
               ? status.update()
               : 0;
  }

  static constexpr int64_t kMicroBatchTokens = 4096;

  const v1::RunConfig& config_;
  const v1::PreferenceConfig& preference_;
  const std::string initial_;
  RefreshService* const service_;
  RefresherMetrics* const metrics_;
  const ModelRegistry registry_;
  const std::string reports_path_;
  RewardClient rewards_;
  CandidateTrial trial_;
  const std::unique_ptr<v1::Feedback::Stub> feedback_;
  const std::unique_ptr<v1::Control::Stub> learner_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatFormat> format_;
  ModelConfig pm_config_;
  std::vector<v1::PmReport> reports_;
  // Published, but not concluded, by an earlier process.
  std::vector<v1::PmReport> interrupted_;
  // Of preference.data.
  std::vector<v1::Comparison> fixed_data_;
  int64_t unusable_ = -1;
  std::optional<int64_t> serving_;
  std::optional<PmModels> incumbent_;  // the version `serving_`
  PmMeasurement measurement_;          // of the newest candidate
};

}  // namespace

absl::Status RunRefresher(const v1::RunConfig& config) {
  prometheus::Registry series;
  RefresherMetrics metrics(series);
  RLHF_RETURN_IF_ERROR(MakeDirectories(RunDirectory(config)));
  // Two would publish the same version and promote against each other.
  RLHF_ASSIGN_OR_RETURN(const ProcessLock lock,
                        ProcessLock::Acquire(absl::StrCat(RunDirectory(config),
                                                          "/refresher.lock")));
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.preference().metrics_port()),
          &series));
  RefreshService service;
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start(config.preference().address(), {&service}, &series));
  Refresher refresher(config, &service, &metrics);
  RLHF_RETURN_IF_ERROR(refresher.Load());
  server->SetServing(true);
  absl::StatusCode last_error = absl::StatusCode::kOk;
  while (!WaitForShutdown(kWatchInterval)) {
    const absl::Status status = refresher.Watch();
    if (ShutdownRequested()) break;
    // The feedback service may be starting or restarting; anything else is a
    // defect or a disk that is full, which a restart does not mend.
    if (status.code() == absl::StatusCode::kUnavailable ||
        status.code() == absl::StatusCode::kDeadlineExceeded ||
        status.code() == absl::StatusCode::kFailedPrecondition) {
      if (status.code() != last_error) RLHF_LOG(WARNING) << status;
    } else if (!status.ok()) {
      return status;
    }
    last_error = status.code();
  }
  server->Shutdown(absl::Seconds(1));
  return absl::OkStatus();
}

}  // namespace rlhf
