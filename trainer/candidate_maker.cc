#include "trainer/candidate_maker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/nn/device.h"
#include "trainer/gate_report.h"
#include "trainer/pm_plan.h"
#include "trainer/preference/paired_test.h"
#include "trainer/preference/worker_pass.h"

namespace rlhf {
namespace {

constexpr int64_t kMicroBatchTokens = 4096;

void DescribeHeldOut(const PmMeasurement& found, v1::PmReport& report) {
  const Calibration& calibration = found.calibration;
  report.set_num_held_out(calibration.num_pairs);
  report.set_held_out_accuracy(calibration.accuracy);
  report.set_held_out_accuracy_low(calibration.interval.low);
  report.set_held_out_accuracy_high(calibration.interval.high);
  report.set_held_out_loss(found.loss);
}

}  // namespace

CandidateMaker::CandidateMaker(const v1::RunConfig& config,
                               const ModelRegistry* registry)
    : config_(config),
      registry_(registry),
      initial_(config.preference().initial_model().empty()
                   ? config.initial_policy()
                   : config.preference().initial_model()) {}

absl::StatusOr<CandidateMaker> CandidateMaker::Load(
    const v1::RunConfig& config, const ModelRegistry* registry) {
  CandidateMaker maker(config, registry);
  RLHF_ASSIGN_OR_RETURN(
      maker.device_,
      FindDevice("preference.device", config.preference().device()));
  RLHF_ASSIGN_OR_RETURN(maker.tokenizer_, Tokenizer::Load(maker.initial_));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format,
                        ChatFormat::Load(maker.initial_));
  maker.format_ = format;
  RLHF_RETURN_IF_ERROR(maker.ReadFixedData());
  return maker;
}

absl::Status CandidateMaker::ReadFixedData() {
  for (const std::string& path : config_.preference().data()) {
    RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed,
                          ReadComparisons(path));
    fixed_data_.insert(fixed_data_.end(), parsed.comparisons.begin(),
                       parsed.comparisons.end());
    RLHF_LOG(INFO) << path << ": " << parsed.comparisons.size()
                   << " comparisons for every PM, " << parsed.refused.size()
                   << " lines are none";
  }
  return absl::OkStatus();
}

absl::Status CandidateMaker::LoadIncumbent(std::optional<int64_t> serving) {
  incumbent_.reset();
  if (!serving.has_value()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const Json card, registry_->Card(*serving));
  RLHF_ASSIGN_OR_RETURN(
      incumbent_, LoadPmModels(registry_->Directory(*serving), card, device_));
  return absl::OkStatus();
}

// Another set of members than the serving PM's has no models to start from.
bool CandidateMaker::StartsWarm() const {
  const v1::PreferenceConfig& preference = config_.preference();
  if (preference.refresh_mode() != v1::PreferenceConfig::WARM_START ||
      !incumbent_.has_value()) {
    return false;
  }
  const std::vector<PmMember> ours =
      MembersOf(preference, PlanMembers(preference, {}, 0)).members;
  const std::vector<PmMember>& theirs = incumbent_->members.members;
  return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                    [](const PmMember& a, const PmMember& b) {
                      return a.name == b.name && a.objective == b.objective;
                    });
}

absl::StatusOr<Transformer> CandidateMaker::FirstStart() const {
  RLHF_ASSIGN_OR_RETURN(
      Transformer model,
      LoadStartModel(initial_, config_.preference().num_layers(), *tokenizer_));
  RLHF_RETURN_IF_ERROR(MoveTo(device_, model));
  return model;
}

absl::StatusOr<Transformer> CandidateMaker::StartOf(size_t index) const {
  return StartsWarm() ? incumbent_->models[index].Clone() : FirstStart();
}

PmTrainerOptions CandidateMaker::TrainerOptions() const {
  const v1::PreferenceConfig& preference = config_.preference();
  return {.num_epochs = preference.num_epochs(),
          .batch_size = preference.batch_size(),
          .learning_rate = preference.learning_rate(),
          .head_learning_rate = preference.head_learning_rate(),
          .weight_decay = preference.weight_decay(),
          .max_gradient_norm = preference.max_gradient_norm(),
          .seed = config_.seed()};
}

absl::Status CandidateMaker::WeighWorkers(const PmProgress& progress,
                                          std::vector<PmExample>& training,
                                          WorkerModel& workers) {
  RLHF_ASSIGN_OR_RETURN(
      workers,
      FitWorkersByHalves(
          UsedByMembers(config_.preference(), training),
          [this] { return FirstStart(); }, TrainerOptions(), progress));
  const size_t before = training.size();
  training = ApplyWorkerModel(workers, std::move(training));
  RLHF_LOG(INFO) << "worker model: " << workers.size() << " workers; "
                 << before - training.size() << " of " << before
                 << " comparisons are of workers who say nothing or the "
                    "opposite, and are left out";
  if (training.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the worker model leaves none of ", before, " comparisons"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Candidate> CandidateMaker::Make(
    std::vector<v1::Comparison> comparisons, int64_t version,
    std::optional<int64_t> serving, int64_t serving_trained_on,
    const std::function<bool(const std::string&, double)>& show) {
  comparisons.insert(comparisons.end(), fixed_data_.begin(), fixed_data_.end());
  const v1::PreferenceConfig& preference = config_.preference();
  PmData data = MakePmData(comparisons, *tokenizer_, *format_, preference);
  if (data.training.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "none of ", comparisons.size(), " comparisons can be trained on"));
  }
  RLHF_LOG(INFO) << "training PM version " << version << " on "
                 << data.training.size() << " comparisons, "
                 << data.held_out.size() << " held out, " << data.num_too_long
                 << " too long, " << data.num_unusable << " unusable";
  const absl::Cleanup free_incumbent = [this] { incumbent_.reset(); };
  RLHF_RETURN_IF_ERROR(LoadIncumbent(serving));
  Candidate candidate;
  candidate.training.preference = preference;
  if (StartsWarm()) {
    candidate.training.started_from = *serving;
    data.training = FreshAndReplayed(data.training, serving_trained_on,
                                     preference.replay_share(), version);
  }
  // The first pass takes about as long as the training after it.
  const double first = preference.worker_model() ? 0.5 : 0;
  if (preference.worker_model()) {
    RLHF_RETURN_IF_ERROR(WeighWorkers(
        [&](double share) { return show("training", first * share); },
        data.training, candidate.workers));
  }
  RLHF_RETURN_IF_ERROR(Train(
      PlanMembers(preference, data.training, config_.seed()),
      [&](double share) {
        return show("training", first + (1 - first) * share);
      },
      candidate));
  show("evaluating", 0);
  RLHF_RETURN_IF_ERROR(Measure(data, candidate));
  return candidate;
}

absl::Status CandidateMaker::Train(std::vector<MemberPlan> plans,
                                   const PmProgress& progress,
                                   Candidate& candidate) {
  const Stopwatch stopwatch;
  const PmMembers members = MembersOf(config_.preference(), plans);
  RLHF_ASSIGN_OR_RETURN(
      candidate.pm,
      TrainMembers(
          members, plans, [this](size_t index) { return StartOf(index); },
          TrainerOptions(), progress));
  v1::PmReport& report = candidate.report;
  report.set_num_train(candidate.pm.num_trained_on);
  report.set_train_loss_first(candidate.pm.stats.first_loss);
  report.set_train_loss_last(candidate.pm.stats.last_loss);
  report.set_train_seconds(stopwatch.seconds());
  if (members.members.size() > 1) {
    for (const PmMember& member : members.members) {
      report.add_members(member.name);
    }
  }
  return absl::OkStatus();
}

// The candidate and the serving PM on the same comparisons.
absl::Status CandidateMaker::Measure(const PmData& data, Candidate& candidate) {
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<MeasuredPair> pairs,
      ScorePairsTogether(candidate.pm, data.held_out, kMicroBatchTokens));
  candidate.held_out = MeasurePm(pairs, kCalibrationBins);
  RLHF_ASSIGN_OR_RETURN(const std::string secret,
                        registry_->Secret(kHiddenWorkers));
  HideWorkers(secret, candidate.held_out.agreement);
  const PmMeasurement& found = candidate.held_out;
  v1::PmReport& report = candidate.report;
  DescribeHeldOut(found, report);
  HeldOutEvidence evidence = {
      .candidate = {found.calibration.num_correct, found.calibration.num_pairs},
      .losses_finite =
          std::isfinite(report.train_loss_last()) && std::isfinite(found.loss),
      .calibration_error_low = found.ece_interval.low,
      .length_bias =
          found.prefers_longer_share - found.people_prefer_longer_share};
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
  AddVerdict(
      DecidePromotion(evidence, ThresholdsOf(config_.preference().gate())),
      report);
  return absl::OkStatus();
}

}  // namespace rlhf
