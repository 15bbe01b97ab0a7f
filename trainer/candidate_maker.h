// Makes a candidate PM out of comparisons: trains its members, measures them
// together beside the PM that serves, and asks the gate's first question.
// Publishing and trying it is the refresher's part.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/registry/model_registry.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/pm_data.h"
#include "trainer/pm_models.h"
#include "trainer/pm_training.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/worker_model.h"

namespace rlhf {

struct Candidate {
  PmModels pm;
  // Workers are hidden in it (agreement.h): cards are kept for ever.
  PmMeasurement held_out;
  // Of preference.worker_model; empty without.
  WorkerModel workers;
  // How it was trained, for the card.
  PmTraining training;
  // All but the version, the data snapshot and what trials add.
  v1::PmReport report;
};

// Used by one thread.
class CandidateMaker {
 public:
  // Finds preference.device, and loads tokenizer, chat format and the files of
  // preference.data. `registry` is not owned and must outlive the maker.
  // Errors: as FindDevice; those of loading and reading.
  static absl::StatusOr<CandidateMaker> Load(const v1::RunConfig& config,
                                             const ModelRegistry* registry);

  // `serving` is the version to compare with, and to start from with
  // WARM_START, when comparisons up to `serving_trained_on` are old. `version`
  // decides which of these are replayed. `show` is told "training" with the
  // share done, and "evaluating"; false from it stops the training.
  //
  // Errors: FailedPrecondition if nothing can be trained on; Cancelled; those
  // of training and loading.
  absl::StatusOr<Candidate> Make(
      std::vector<v1::Comparison> comparisons, int64_t version,
      std::optional<int64_t> serving, int64_t serving_trained_on,
      const std::function<bool(const std::string&, double)>& show);

  // Where the tokenizer and template files of a PM come from.
  const std::string& initial() const { return initial_; }

 private:
  CandidateMaker(const v1::RunConfig& config, const ModelRegistry* registry);
  absl::Status ReadFixedData();
  absl::Status LoadIncumbent(std::optional<int64_t> serving);
  bool StartsWarm() const;
  // Untrained: what the first PM starts from.
  absl::StatusOr<Transformer> FirstStart() const;
  // The model that member `index` starts from.
  absl::StatusOr<Transformer> StartOf(size_t index) const;
  PmTrainerOptions TrainerOptions() const;
  // Fits the workers by what the members will train on and lets `training`
  // count by them. Starts from the model that every first PM starts from: the
  // serving PM has learned what it would be asked about.
  absl::Status WeighWorkers(const PmProgress& progress,
                            std::vector<PmExample>& training,
                            WorkerModel& workers);
  absl::Status Train(std::vector<MemberPlan> plans, const PmProgress& progress,
                     Candidate& candidate);
  absl::Status Measure(const PmData& data, Candidate& candidate);

  v1::RunConfig config_;
  const ModelRegistry* registry_;
  std::string initial_;
  // Where it trains and measures.
  at::Device device_ = at::kCPU;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatFormat> format_;
  std::vector<v1::Comparison> fixed_data_;  // of preference.data
  std::optional<PmModels> incumbent_;       // while a candidate is made
};

}  // namespace rlhf
