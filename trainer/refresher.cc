#include "trainer/refresher.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/telemetry/metrics_server.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "rlhf/v1/feedback.grpc.pb.h"
#include "trainer/pm_data.h"
#include "trainer/preference/gate.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/paired_test.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/refresh_plan.h"
#include "trainer/refresher_metrics.h"

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

// Every PmReport of the run so far, oldest first; the last line of a version
// counts.
absl::StatusOr<std::vector<v1::PmReport>> ReadReports(const std::string& path) {
  std::vector<v1::PmReport> reports;
  if (!FileExists(path)) return reports;
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::map<int64_t, v1::PmReport> by_version;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    v1::PmReport report;
    // A crash can cut the last line short; its PM is then trained again.
    if (line.empty() || !JsonToProto(line, &report).ok()) continue;
    by_version[report.pm().version()] = report;
  }
  for (const auto& [version, report] : by_version) reports.push_back(report);
  return reports;
}

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
    RLHF_RETURN_IF_ERROR(MakeDirectories(RunDirectory(config_)));
    RLHF_ASSIGN_OR_RETURN(reports_, ReadReports(reports_path_));
    RLHF_RETURN_IF_ERROR(FinishInterrupted());
    service_->Change([&](v1::RefreshStatus& status) {
      status.mutable_pms()->Assign(reports_.begin(), reports_.end());
    });
    return absl::OkStatus();
  }

  // One look at the log; trains if a refresh is due.
  absl::Status Watch() {
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
  // What a killed refresher left between two of its steps: a published PM whose
  // promotion or whose line in pms.jsonl is missing. The card knows both.
  absl::Status FinishInterrupted() {
    RLHF_ASSIGN_OR_RETURN(const std::vector<Transition> history,
                          registry_.Transitions());
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
      const bool promoted_before = std::any_of(
          history.begin(), history.end(), [&](const Transition& transition) {
            const auto serving = transition.aliases.find("serving");
            return serving != transition.aliases.end() &&
                   serving->second == version;
          });
      RLHF_ASSIGN_OR_RETURN(serving_, registry_.Alias("serving"));
      if (!promoted_before) RLHF_RETURN_IF_ERROR(Promote(report));
      RLHF_RETURN_IF_ERROR(Remember(report));
    }
    return absl::OkStatus();
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
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                          ReadLog(snapshot.last_seq()));
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
    RLHF_ASSIGN_OR_RETURN(const Transformer mapped,
                          LoadModelAs(pm_config_, initial_));
    Transformer model = mapped.Clone();
    RLHF_RETURN_IF_ERROR(Train(model, data, report));
    RLHF_RETURN_IF_ERROR(Judge(model, data, report));
    RLHF_RETURN_IF_ERROR(Publish(model, report));
    RLHF_RETURN_IF_ERROR(Promote(report));
    return Remember(report);
  }

  absl::Status Train(Transformer& model, const PmData& data,
                     v1::PmReport& report) {
    service_->Change(
        [](v1::RefreshStatus& status) { status.set_phase("training"); });
    const Stopwatch stopwatch;
    RLHF_ASSIGN_OR_RETURN(
        const PmTrainingStats stats,
        TrainPreferenceModel(
            model, data.training,
            {.num_epochs = preference_.num_epochs(),
             .batch_size = preference_.batch_size(),
             .learning_rate = preference_.learning_rate(),
             .head_learning_rate = preference_.head_learning_rate(),
             .weight_decay = preference_.weight_decay(),
             .max_gradient_norm = preference_.max_gradient_norm(),
             .seed = config_.seed()},
            [this](double progress) {
              service_->Change([&](v1::RefreshStatus& status) {
                status.set_progress(progress);
              });
              return !ShutdownRequested();
            }));
    report.set_num_train(static_cast<int64_t>(data.training.size()));
    report.set_train_loss_first(stats.first_loss);
    report.set_train_loss_last(stats.last_loss);
    report.set_train_seconds(stopwatch.seconds());
    return absl::OkStatus();
  }

  // Measures the candidate and the serving PM on the same comparisons.
  absl::Status Judge(const Transformer& model, const PmData& data,
                     v1::PmReport& report) {
    service_->Change(
        [](v1::RefreshStatus& status) { status.set_phase("evaluating"); });
    RLHF_ASSIGN_OR_RETURN(const std::vector<MeasuredPair> pairs,
                          ScorePairs(model, data.held_out, kMicroBatchTokens));
    measurement_ = MeasurePm(pairs, kCalibrationBins);
    const Calibration& calibration = measurement_.calibration;
    report.set_num_held_out(calibration.num_pairs);
    report.set_held_out_accuracy(calibration.accuracy);
    report.set_held_out_accuracy_low(calibration.interval.low);
    report.set_held_out_accuracy_high(calibration.interval.high);
    report.set_held_out_loss(measurement_.loss);
    GateInput input{.candidate = {.correct = calibration.num_correct,
                                  .total = calibration.num_pairs},
                    .losses_finite = std::isfinite(report.train_loss_last()) &&
                                     std::isfinite(report.held_out_loss()),
                    .min_accuracy = preference_.min_accuracy(),
                    .max_accuracy_drop = preference_.max_accuracy_drop()};
    RLHF_ASSIGN_OR_RETURN(serving_, registry_.Alias("serving"));
    if (serving_.has_value() && !data.held_out.empty()) {
      RLHF_ASSIGN_OR_RETURN(const Transformer incumbent,
                            LoadModel(registry_.Directory(*serving_)));
      RLHF_ASSIGN_OR_RETURN(
          const std::vector<MeasuredPair> theirs,
          ScorePairs(incumbent, data.held_out, kMicroBatchTokens));
      const Calibration other = MeasurePm(theirs, kCalibrationBins).calibration;
      input.incumbent =
          Incumbent{.result = {other.num_correct, other.num_pairs},
                    .discordance = CountDiscordance(pairs, theirs)};
      report.set_incumbent_accuracy(other.accuracy);
    }
    const GateVerdict verdict = DecidePromotion(input);
    report.set_promoted(verdict.promote);
    report.set_verdict(verdict.reason);
    return absl::OkStatus();
  }

  absl::Status Publish(const Transformer& model, v1::PmReport& report) {
    report.set_promoted_at_update(UpdatesDone());
    RLHF_ASSIGN_OR_RETURN(const Json described,
                          ParseJson(ProtoToJsonLine(report)));
    const Json card = {{"report", described},
                       {"held_out", ToJson(measurement_)}};
    RLHF_ASSIGN_OR_RETURN(*report.mutable_pm(),
                          registry_.Publish(report.pm().version(), card,
                                            [&](const std::string& folder) {
                                              return SaveModel(model, initial_,
                                                               folder);
                                            }));
    RLHF_LOG(INFO) << "PM version " << report.pm().version() << ": "
                   << report.verdict();
    return absl::OkStatus();
  }

  absl::Status Promote(const v1::PmReport& report) {
    const TransitionCause verdict = {.by = "gate", .reason = report.verdict()};
    const TransitionCause trained = {
        .by = "refresher",
        .reason = absl::StrCat("trained on ", report.num_train(), " pairs")};
    RLHF_RETURN_IF_ERROR(
        registry_.SetAlias("candidate", report.pm().version(),
                           report.promoted() ? trained : verdict));
    if (!report.promoted()) return absl::OkStatus();
    return registry_.Promote(report.pm().version(), serving_, verdict);
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
  const std::unique_ptr<v1::Feedback::Stub> feedback_;
  const std::unique_ptr<v1::Control::Stub> learner_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatFormat> format_;
  ModelConfig pm_config_;
  std::vector<v1::PmReport> reports_;
  int64_t unusable_ = -1;
  std::optional<int64_t> serving_;
  PmMeasurement measurement_;  // of the newest candidate
};

}  // namespace

absl::Status RunRefresher(const v1::RunConfig& config) {
  prometheus::Registry series;
  RefresherMetrics metrics(series);
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
