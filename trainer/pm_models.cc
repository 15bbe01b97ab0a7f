#include "trainer/pm_models.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"
#include "core/nn/sequence_scores.h"
#include "trainer/preference/pair_scores.h"

namespace rlhf {

absl::StatusOr<Transformer> LoadStartModel(const std::string& directory,
                                           int64_t num_layers,
                                           const Tokenizer& tokenizer) {
  RLHF_ASSIGN_OR_RETURN(const ModelConfig base, LoadModelConfig(directory));
  const int64_t layers = num_layers == 0
                             ? base.num_layers
                             : std::min<int64_t>(num_layers, base.num_layers);
  // transformers takes the score at the last token that is not padding, so the
  // padding token must not be the one that ends a dialogue.
  std::optional<int32_t> pad = tokenizer.TokenToId("<|endoftext|>");
  if (pad == tokenizer.eos_id()) pad.reset();
  RLHF_ASSIGN_OR_RETURN(
      const Transformer mapped,
      LoadModelAs(AsPreferenceModel(base, layers, pad), directory));
  return mapped.Clone();
}

absl::StatusOr<PmModels> TrainMembers(const PmMembers& members,
                                      const std::vector<MemberPlan>& plans,
                                      const StartModel& start,
                                      PmTrainerOptions options,
                                      const PmProgress& progress) {
  PmModels pm = {.members = members};
  for (const MemberPlan& plan : plans) {
    if (!plan.training.empty()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "PM member \"", plan.member.name, "\": no comparison to train on yet"));
  }
  const auto count = static_cast<double>(plans.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    const MemberPlan& plan = plans[i];
    RLHF_ASSIGN_OR_RETURN(Transformer model, start(i));
    options.seed = plan.seed;
    const absl::StatusOr<PmTrainingStats> stats =
        TrainPreferenceModel(model, plan.training, options, [&](double share) {
          return progress((static_cast<double>(i) + share) / count);
        });
    if (!stats.ok()) {
      return plans.size() == 1
                 ? stats.status()
                 : WithContext(stats.status(),
                               absl::StrCat("PM member ", plan.member.name));
    }
    if (i == 0) pm.stats = *stats;
    pm.models.push_back(std::move(model));
    pm.num_trained_on += static_cast<int64_t>(plan.training.size());
  }
  return pm;
}

absl::StatusOr<PmModels> LoadPmModels(const std::string& directory,
                                      const Json& card, at::Device device) {
  PmModels pm;
  RLHF_ASSIGN_OR_RETURN(pm.members, PmMembersOf(card));
  for (const PmMember& member : pm.members.members) {
    RLHF_ASSIGN_OR_RETURN(Transformer model,
                          LoadModel(MemberFolder(directory, member)));
    RLHF_RETURN_IF_ERROR(MoveTo(device, model));
    pm.models.push_back(std::move(model));
  }
  return pm;
}

absl::StatusOr<std::vector<MeasuredPair>> ScorePairsTogether(
    const PmModels& pm, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens) {
  std::vector<std::vector<float>> score_MS;
  for (const Transformer& model : pm.models) {
    RLHF_ASSIGN_OR_RETURN(
        score_MS.emplace_back(),
        ScoreSequences(model, BothSides(examples), micro_batch_tokens));
  }
  return PairUp(examples, CombineScores(pm.members, score_MS));
}

absl::Status SavePmModels(const PmModels& pm,
                          const std::string& tokenizer_source,
                          const std::string& directory) {
  for (size_t i = 0; i < pm.models.size(); ++i) {
    const std::string folder = MemberFolder(directory, pm.members.members[i]);
    RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
    RLHF_RETURN_IF_ERROR(SaveModel(pm.models[i], tokenizer_source, folder));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
