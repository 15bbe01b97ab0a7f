#include "trainer/learner_state.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/nn/safetensors.h"

namespace rlhf {

absl::StatusOr<LearnerState> GatherLearner(const PpoTrainer& trainer) {
  LearnerState state = {.kl_coefficient = trainer.kl_coefficient()};
  RLHF_ASSIGN_OR_RETURN(state.parameters, trainer.GatherParameters());
  RLHF_ASSIGN_OR_RETURN(state.optimizer, trainer.GatherOptimizer());
  return state;
}

absl::Status SaveLearner(const LearnerState& state, int64_t update,
                         const std::string& directory) {
  RLHF_RETURN_IF_ERROR(
      WriteSafetensors(directory + "/policy.safetensors", state.parameters));
  RLHF_RETURN_IF_ERROR(
      WriteSafetensors(directory + "/optimizer.safetensors", state.optimizer));
  return WriteFileAtomically(
      directory + "/state.json",
      Json{{"update", update}, {"kl_coefficient", state.kl_coefficient}}.dump(
          2) +
          "\n");
}

absl::StatusOr<int64_t> LoadLearner(const std::string& directory,
                                    PpoTrainer& trainer) {
  const std::string path = directory + "/state.json";
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  RLHF_ASSIGN_OR_RETURN(const Json state, ParseJson(text));
  const auto update = state.find("update");
  if (update == state.end() || !update->is_number_integer()) {
    return absl::InvalidArgumentError(path + ": \"update\" is missing");
  }
  const auto kl_coefficient = state.find("kl_coefficient");
  if (kl_coefficient == state.end() || !kl_coefficient->is_number()) {
    return absl::InvalidArgumentError(path + ": \"kl_coefficient\" is missing");
  }
  RLHF_ASSIGN_OR_RETURN(const NamedTensors parameters,
                        ReadSafetensors(directory + "/policy.safetensors"));
  RLHF_ASSIGN_OR_RETURN(const NamedTensors optimizer,
                        ReadSafetensors(directory + "/optimizer.safetensors"));
  const absl::Status status = trainer.Import(parameters, optimizer);
  if (!status.ok()) return WithContext(status, directory);
  trainer.set_kl_coefficient(kl_coefficient->get<double>());
  return update->get<int64_t>();
}

}  // namespace rlhf
