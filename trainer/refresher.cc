#include "trainer/refresher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/process_lock.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/listen_address.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/reward_client.h"
#include "core/telemetry/metrics_server.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "rlhf/v1/feedback.grpc.pb.h"
#include "rlhf/v1/store.grpc.pb.h"
#include "trainer/candidate_maker.h"
#include "trainer/candidate_trial.h"
#include "trainer/candidate_verdict.h"
#include "trainer/pm_models.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/worker_model.h"
#include "trainer/refresh_plan.h"
#include "trainer/refresher_metrics.h"
#include "trainer/retracted_data.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(500);

// Of a card: the PM that served when the candidate was measured; 0: none.
constexpr char kComparedWith[] = "compared_with";

struct Published {
  v1::PmReport report;
  // Served when the candidate was measured; nullopt: none did.
  std::optional<int64_t> compared_with;
};

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
  Refresher(const v1::RunConfig& config, const RpcIdentity& self,
            RefreshService* service, RefresherMetrics* metrics)
      : config_(config),
        preference_(config.preference()),
        service_(service),
        metrics_(metrics),
        registry_(absl::StrCat(RunDirectory(config), "/registry/pm")),
        reports_path_(absl::StrCat(RunDirectory(config), "/pms.jsonl")),
        rewards_(config.reward_server().address(), self),
        trial_({.gate = preference_.gate(),
                .run_directory = RunDirectory(config),
                .registry = &registry_,
                .rewards = &rewards_,
                .show = [this](const std::string& phase,
                               double share) { Show(phase, share); }}),
        feedback_(v1::Feedback::NewStub(
            MakeChannel(config.feedback().address(), self, "feedback"))),
        store_(v1::Store::NewStub(
            MakeChannel(config.feedback().address(), self, "feedback"))),
        verdict_(&registry_, &trial_, store_.get()),
        learner_(v1::Control::NewStub(
            MakeChannel(config.learner().address(), self, "learner"))) {}

  absl::Status Load() {
    RLHF_ASSIGN_OR_RETURN(CandidateMaker maker,
                          CandidateMaker::Load(config_, &registry_));
    maker_.emplace(std::move(maker));
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
    snapshot.set_read_unix_ms(absl::ToUnixMillis(absl::Now()));
    snapshot.set_num_retractions(stats.num_retractions());
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
  // trial, promotion or line in pms.jsonl is missing. The card knows the rest.
  absl::Status FinishInterrupted() {
    for (const int64_t version : registry_.Versions()) {
      const bool known = std::any_of(reports_.begin(), reports_.end(),
                                     [&](const v1::PmReport& report) {
                                       return report.pm().version() == version;
                                     });
      if (known) continue;
      RLHF_ASSIGN_OR_RETURN(const Json card, registry_.Card(version));
      std::optional<v1::PmReport> report = ReportOf(card);
      if (!report.has_value()) continue;
      RLHF_ASSIGN_OR_RETURN(*report->mutable_pm(), registry_.Get(version));
      RLHF_ASSIGN_OR_RETURN(std::optional<int64_t> compared_with,
                            ComparedWith(card));
      interrupted_.push_back({*std::move(report), compared_with});
    }
    return absl::OkStatus();
  }

  // Cards of older versions of rlhf do not tell: what serves now, then.
  absl::StatusOr<std::optional<int64_t>> ComparedWith(const Json& card) const {
    const auto found = card.find(kComparedWith);
    if (found == card.end() || !found->is_number_integer()) {
      return registry_.Alias("serving");
    }
    const auto version = found->get<int64_t>();
    return version > 0 ? std::optional(version) : std::nullopt;
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
    metrics_->train_comparisons.Set(static_cast<double>(report.num_train()));
    metrics_->held_out_comparisons.Set(
        static_cast<double>(report.num_held_out()));
    metrics_->train_seconds.Observe(report.train_seconds());
    return AppendLine(reports_path_, ProtoToJsonLine(report));
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
    RLHF_ASSIGN_OR_RETURN(Published candidate, MakeCandidate(snapshot));
    return Conclude(std::move(candidate));
  }

  // Trains, measures and publishes. Its weights are on disk then and no longer
  // here: a trial may take long.
  absl::StatusOr<Published> MakeCandidate(const v1::DataSnapshot& snapshot) {
    RLHF_ASSIGN_OR_RETURN(std::vector<v1::Comparison> comparisons,
                          ReadLog(snapshot.last_seq()));
    RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                          registry_.Alias("serving"));
    const int64_t version = registry_.Latest() + 1;
    RLHF_ASSIGN_OR_RETURN(
        Candidate candidate,
        maker_->Make(std::move(comparisons), version, serving,
                     TrainedOn(serving),
                     [this](const std::string& phase, double share) {
                       Show(phase, share);
                       return !ShutdownRequested();
                     }));
    candidate.report.mutable_pm()->set_version(version);
    *candidate.report.mutable_data() = snapshot;
    RLHF_ASSIGN_OR_RETURN(const int64_t retracted,
                          WaitForRetractedSince(snapshot, *store_));
    if (retracted > 0) {
      return absl::UnavailableError(absl::StrCat(
          retracted, " comparisons were retracted while PM version ", version,
          " was trained on them; it is trained again, without them"));
    }
    RLHF_RETURN_IF_ERROR(Publish(serving, candidate));
    return Published{std::move(candidate.report), serving};
  }

  // Up to which comparison a version was trained; 0 if that is not known.
  int64_t TrainedOn(std::optional<int64_t> version) const {
    for (const v1::PmReport& report : reports_) {
      if (report.pm().version() == version) return report.data().last_seq();
    }
    return 0;
  }

  absl::Status Publish(std::optional<int64_t> compared_with,
                       Candidate& candidate) {
    v1::PmReport& report = candidate.report;
    RLHF_ASSIGN_OR_RETURN(const Json described,
                          ParseJson(ProtoToJsonLine(report)));
    Json card = {{"report", described},
                 {kComparedWith, compared_with.value_or(0)},
                 {"training", ToJson(candidate.training)},
                 {"held_out", ToJson(candidate.held_out)},
                 {"pm_members", ToJson(candidate.pm.members)}};
    if (!candidate.workers.empty()) {
      RLHF_ASSIGN_OR_RETURN(const std::string secret,
                            registry_.Secret(kHiddenWorkers));
      card["worker_model"] = ToJson(candidate.workers, secret);
    }
    RLHF_ASSIGN_OR_RETURN(
        *report.mutable_pm(),
        registry_.Publish(
            report.pm().version(), card, [&](const std::string& folder) {
              return SavePmModels(candidate.pm, maker_->initial(), folder);
            }));
    return absl::OkStatus();
  }

  // May be called again for one that a killed refresher left anywhere on the
  // way.
  absl::Status Conclude(Published candidate) {
    v1::PmReport& report = candidate.report;
    RLHF_RETURN_IF_ERROR(verdict_.Conclude(candidate.compared_with, report));
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

  const v1::RunConfig& config_;
  const v1::PreferenceConfig& preference_;
  RefreshService* const service_;
  RefresherMetrics* const metrics_;
  const ModelRegistry registry_;
  const std::string reports_path_;
  RewardClient rewards_;
  CandidateTrial trial_;
  const std::unique_ptr<v1::Feedback::Stub> feedback_;
  const std::unique_ptr<v1::Store::Stub> store_;
  CandidateVerdict verdict_;
  const std::unique_ptr<v1::Control::Stub> learner_;
  std::optional<CandidateMaker> maker_;
  std::vector<v1::PmReport> reports_;
  // Published, but not concluded, by an earlier process.
  std::vector<Published> interrupted_;
  int64_t unusable_ = -1;
};

}  // namespace

absl::Status RunRefresher(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, "refresher"));
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
      GrpcServer::Start(ListenAddress(config, config.preference().address()),
                        {&service}, &series, self));
  Refresher refresher(config, self, &service, &metrics);
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
