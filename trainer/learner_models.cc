#include "trainer/learner_models.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/device.h"
#include "core/nn/dtype.h"
#include "core/nn/model_directory.h"

namespace rlhf {
namespace {

// A language model comes without its head, and with a score head at zero.
absl::StatusOr<Transformer> LoadCritic(const v1::RunConfig& config,
                                       const ModelConfig& policy) {
  const std::string& directory = config.ppo().critic_model().empty()
                                     ? config.initial_policy()
                                     : config.ppo().critic_model();
  RLHF_ASSIGN_OR_RETURN(ModelConfig critic, LoadModelConfig(directory));
  if (critic.vocab_size != policy.vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory, ": a vocabulary of ", critic.vocab_size,
                     "; ppo.critic_model must have that of the policy, ",
                     policy.vocab_size));
  }
  if (critic.head == ModelConfig::Head::kLanguageModel) {
    critic = AsPreferenceModel(critic, critic.num_layers,
                               /*pad_token_id=*/std::nullopt);
  }
  RLHF_ASSIGN_OR_RETURN(const Transformer mapped,
                        LoadModelAs(critic, directory));
  return mapped.Clone();
}

}  // namespace

absl::StatusOr<PpoTrainer::Models> LoadLearnerModels(
    const v1::RunConfig& config, at::Device device) {
  // On the CPU the reference stays in the mapped file; what is trained is
  // copied.
  RLHF_ASSIGN_OR_RETURN(Transformer reference,
                        LoadModel(config.initial_policy()));
  if (reference.config().head != ModelConfig::Head::kLanguageModel) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.initial_policy(), ": not a language model"));
  }
  std::optional<Transformer> critic;
  if (config.ppo().critic() == v1::PpoConfig::SEPARATE) {
    RLHF_ASSIGN_OR_RETURN(critic, LoadCritic(config, reference.config()));
  }
  if (config.learner().sharding() == v1::LearnerConfig::SHARDED) {
    // A whole model may be more than a GPU holds.
    device = at::kCPU;
  }
  RLHF_RETURN_IF_ERROR(MoveTo(device, reference));
  if (critic.has_value()) RLHF_RETURN_IF_ERROR(MoveTo(device, *critic));
  // Adapters leave it as it is.
  const bool is_changed = config.learner().lora().rank() == 0;
  RLHF_ASSIGN_OR_RETURN(Transformer policy,
                        is_changed
                            ? absl::StatusOr<Transformer>(reference.Clone())
                            : LoadModel(config.initial_policy()));
  RLHF_RETURN_IF_ERROR(MoveTo(device, policy));
  return PpoTrainer::Models{
      .policy = std::move(policy),
      .reference = std::make_shared<const Transformer>(std::move(reference)),
      .critic = std::move(critic)};
}

absl::StatusOr<std::shared_ptr<const PretrainingMix>> LoadPretrainingMix(
    const v1::RunConfig& config) {
  const v1::PretrainingMixConfig& mix = config.ppo().pretraining_mix();
  if (mix.data().empty()) return nullptr;
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(
      PretrainingMix loaded,
      PretrainingMix::Load(mix.data(), *tokenizer, mix.max_tokens()));
  return std::make_shared<const PretrainingMix>(std::move(loaded));
}

absl::StatusOr<PpoTrainer::Options> LoadTrainerOptions(
    const v1::RunConfig& config, at::Device device) {
  RLHF_ASSIGN_OR_RETURN(std::shared_ptr<const PretrainingMix> pretraining,
                        LoadPretrainingMix(config));
  return PpoTrainer::Options{
      .ppo = config.ppo(),
      .temperature = config.sampling().temperature(),
      .micro_batch_tokens = config.learner().micro_batch_tokens(),
      .dtype = ScalarTypeOf(config.learner().dtype()),
      .device = device,
      .recompute_activations = config.learner().recompute_activations(),
      .sharded = config.learner().sharding() == v1::LearnerConfig::SHARDED,
      .lora = {.rank = config.learner().lora().rank(),
               .alpha = config.learner().lora().alpha(),
               .seed = config.seed()},
      .seed = config.seed(),
      .pretraining = std::move(pretraining),
      .learner = config.learner()};
}

}  // namespace rlhf
