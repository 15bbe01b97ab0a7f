// The models of one PM version while it is made: trained, measured, written.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/transformer.h"
#include "core/registry/pm_members.h"
#include "core/text/tokenizer.h"
#include "trainer/pm_plan.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

struct PmModels {
  PmMembers members;
  // One for each member.
  std::vector<Transformer> models;
  // Of the training of the first; of no meaning after LoadPmModels.
  PmTrainingStats stats;
  int64_t num_trained_on = 0;  // comparisons of all members
};

// The first `num_layers` layers (0: all) of a language model, with a score head
// of zeros, or of a PM with its own. Its own to change. Errors: as LoadModelAs.
absl::StatusOr<Transformer> LoadStartModel(const std::string& directory,
                                           int64_t num_layers,
                                           const Tokenizer& tokenizer);

// The model that member `index` starts from, its own to change.
using StartModel = std::function<absl::StatusOr<Transformer>(size_t index)>;

// Trains the members one after the other; `options.seed` is each plan's own.
// `progress` is called with the share done of all of them.
//
// Errors: as TrainPreferenceModel, with the member's name; FailedPrecondition
// if one has nothing to train on; those of `start`.
absl::StatusOr<PmModels> TrainMembers(const PmMembers& members,
                                      const std::vector<MemberPlan>& plans,
                                      const StartModel& start,
                                      PmTrainerOptions options,
                                      const PmProgress& progress);

// A version of the registry with all its members, on `device`.
// Errors: as LoadModel, MoveTo and PmMembersOf.
absl::StatusOr<PmModels> LoadPmModels(const std::string& directory,
                                      const Json& card,
                                      at::Device device = at::kCPU);

// The scores that the members make together. Errors: as ScoreSequences.
absl::StatusOr<std::vector<MeasuredPair>> ScorePairsTogether(
    const PmModels& pm, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens);

// Into `directory`, laid out as pm_members.h says, without a card.
// Errors: as SaveModel.
absl::Status SavePmModels(const PmModels& pm,
                          const std::string& tokenizer_source,
                          const std::string& directory);

}  // namespace rlhf
