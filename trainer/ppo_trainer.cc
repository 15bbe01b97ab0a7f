#include "trainer/ppo_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/comm/bucketed_sum.h"
#include "core/nn/token_logprob.h"
#include "core/nn/torch_call.h"
#include "trainer/minibatches.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/optim/schedule.h"
#include "trainer/ppo/kl_controller.h"
#include "trainer/ppo/ppo_loss.h"
#include "trainer/ppo/value_loss.h"
#include "trainer/response_forward.h"
#include "trainer/sample_rewards.h"

namespace rlhf {
namespace {

// The optimizer's groups. Models with weights of their own are clipped, and may
// learn, each at its own rate; a value head belongs to the policy.
constexpr size_t kPolicyGroup = 0;
constexpr size_t kCriticGroup = 1;

std::vector<PromptResponse> Dialogues(const std::vector<PpoSample>& batch,
                                      absl::Span<const int64_t> indices) {
  std::vector<PromptResponse> dialogues;
  for (const int64_t i : indices) {
    dialogues.push_back({.prompt_ids = &batch[i].prompt_ids,
                         .response_ids = &batch[i].response_ids});
  }
  return dialogues;
}

int64_t CountTokens(const std::vector<PpoSample>& batch,
                    const std::vector<int64_t>& indices) {
  int64_t count = 0;
  for (const int64_t i : indices) {
    count += static_cast<int64_t>(batch[i].response_ids.size());
  }
  return count;
}

std::vector<int64_t> AllSamples(const std::vector<PpoSample>& batch) {
  std::vector<int64_t> all(batch.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

}  // namespace

// What the passes need of the samples that this rank owns.
struct PpoTrainer::Prepared {
  OwnRewards own;
  // By batch index: where the sample's tokens begin in the packed tensors.
  std::vector<int64_t> begin_of;
  BatchEvaluation evaluation;
  Credit credit;
  double seconds = 0;
};

struct PpoTrainer::Minibatch {
  // Of all ranks.
  std::vector<int64_t> samples;
  uint64_t key = 0;
};

// What one forward and backward pass needs; tensors packed over `dialogues`.
struct PpoTrainer::Piece {
  std::vector<PromptResponse> dialogues;
  at::Tensor old_logprob_N, old_value_N;
  at::Tensor advantage_N, return_N;
};

PpoTrainer::PpoTrainer(Models models, const Options& options,
                       Communicator* communicator)
    : options_(options),
      communicator_(communicator),
      policy_(std::move(models.policy), options.dtype),
      critic_(models.critic.has_value()
                  ? Critic(*std::move(models.critic), options.dtype)
                  : Critic(policy().config().hidden_size, policy().device())),
      reference_(options.dtype == at::kFloat
                     ? std::move(models.reference)
                     : std::make_shared<const Transformer>(
                           models.reference->Cast(options.dtype))),
      kl_coefficient_(options.ppo.kl_coefficient()) {
  std::vector<ParameterGroup> groups;
  if (critic_.shares_policy()) {
    groups = {{.parameters = ExportParameters()}};
  } else {
    groups = {{.parameters = policy().parameters()},
              {.parameters = critic_.parameters()}};
  }
  optimizer_ = std::make_unique<AdamW>(
      std::move(groups),
      AdamWOptions{.beta1 = options.ppo.adam_beta1(),
                   .beta2 = options.ppo.adam_beta2(),
                   .epsilon = options.ppo.adam_epsilon(),
                   .weight_decay = options.ppo.weight_decay()});
}

NamedTensors PpoTrainer::ExportParameters() const {
  NamedTensors parameters = policy().parameters();
  for (const NamedTensor& p : critic_.parameters()) parameters.push_back(p);
  return parameters;
}

absl::Status PpoTrainer::Import(const NamedTensors& parameters,
                                const NamedTensors& optimizer) {
  const NamedTensors own = ExportParameters();
  for (const NamedTensor& target : own) {
    const auto it = std::find_if(
        parameters.begin(), parameters.end(),
        [&](const NamedTensor& p) { return p.name == target.name; });
    if (it == parameters.end() || it->tensor.sizes() != target.tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", target.name, "\" is missing or of another shape"));
    }
  }
  RLHF_RETURN_IF_ERROR(optimizer_->ImportState(optimizer));
  return TorchCall("import parameters", [&] {
    const c10::NoGradGuard no_grad;
    for (const NamedTensor& target : own) {
      const auto it = std::find_if(
          parameters.begin(), parameters.end(),
          [&](const NamedTensor& p) { return p.name == target.name; });
      target.tensor.copy_(it->tensor);
    }
    policy_.RefreshCopy();
    critic_.RefreshCopy();
  });
}

std::vector<int64_t> PpoTrainer::OwnedBy(
    int rank, const std::vector<int64_t>& indices) const {
  std::vector<int64_t> owned;
  for (const int64_t i : indices) {
    if (i % communicator_->world_size() == rank) owned.push_back(i);
  }
  return owned;
}

std::vector<int64_t> PpoTrainer::Own(
    const std::vector<int64_t>& indices) const {
  return OwnedBy(communicator_->rank(), indices);
}

double PpoTrainer::RateAt(double full_rate, int64_t update,
                          size_t batch_size) const {
  return LearningRate(
      {.learning_rate = full_rate,
       .warmup_rollouts = options_.ppo.warmup_rollouts(),
       .halve_every_rollouts = options_.ppo.halve_every_rollouts()},
      update * static_cast<int64_t>(batch_size));
}

absl::StatusOr<v1::UpdateReport> PpoTrainer::Update(
    const std::vector<PpoSample>& batch, int64_t update) {
  RLHF_CHECK(!batch.empty());
  const Stopwatch stopwatch;
  const uint64_t update_key =
      MixHash(options_.seed, static_cast<uint64_t>(update));
  RLHF_ASSIGN_OR_RETURN(Prepared prepared,
                        Prepare(batch, MixHash(update_key, 0)));
  prepared.seconds = stopwatch.seconds();
  const double learning_rate =
      RateAt(options_.ppo.learning_rate(), update, batch.size());
  optimizer_->SetLearningRate(kPolicyGroup, learning_rate);
  if (!critic_.shares_policy()) {
    const double own = options_.ppo.critic_learning_rate();
    optimizer_->SetLearningRate(
        kCriticGroup,
        own > 0 ? RateAt(own, update, batch.size()) : learning_rate);
  }
  UpdateTotals totals;
  for (int epoch = 0; epoch < options_.ppo.num_epochs(); ++epoch) {
    RLHF_RETURN_IF_ERROR(
        Pass(batch, prepared, MixHash(update_key, epoch), totals));
  }
  if (totals.num_steps == 0) {
    return absl::InternalError(absl::StrCat(
        "no step of update ", update,
        " had a finite gradient; the policy is as it was before it. Look at "
        "the rewards of its rollouts, or lower ppo.learning_rate"));
  }
  RLHF_ASSIGN_OR_RETURN(
      v1::UpdateReport report,
      SummarizeUpdate(totals, prepared.evaluation, prepared.credit,
                      static_cast<int64_t>(batch.size()), *communicator_));
  report.set_update(update);
  report.set_kl_coefficient(kl_coefficient_);
  // Rank 0's share stands for all: the actors are the same for every rank.
  report.set_behaviour_mismatch_max_nats(
      BehaviourMismatch(batch, prepared.own, prepared.evaluation.logprob_N));
  report.set_learning_rate(learning_rate);
  report.set_forward_seconds(prepared.seconds);
  report.set_train_seconds(stopwatch.seconds() - prepared.seconds);
  if (options_.ppo.kl_target_nats() > 0) {
    if (!std::isfinite(report.kl_k1_nats_per_sequence())) {
      return absl::InternalError("the KL to the reference is not finite");
    }
    kl_coefficient_ = NextKlCoefficient(
        kl_coefficient_, report.kl_k1_nats_per_sequence(),
        static_cast<int64_t>(batch.size()),
        {.target_nats = options_.ppo.kl_target_nats(),
         .horizon_rollouts = options_.ppo.kl_horizon_rollouts()});
  }
  return report;
}

std::vector<int64_t> PpoTrainer::KeptSamples(
    const std::vector<PpoSample>& batch, uint64_t first_pass_key) const {
  // Which samples are the best is known after the evaluation.
  if (options_.ppo.algorithm() == v1::PpoConfig::BEST_OF_K) return {};
  const std::vector<int64_t> first = CutIntoMinibatches(
      AllSamples(batch), options_.ppo.num_minibatches(), first_pass_key)[0];
  for (int rank = 0; rank < communicator_->world_size(); ++rank) {
    const std::vector<int64_t> theirs = OwnedBy(rank, first);
    if (MicroBatchSizes(Dialogues(batch, theirs), options_.micro_batch_tokens)
            .size() > 1) {
      return {};
    }
  }
  return OwnedBy(communicator_->rank(), first);
}

absl::StatusOr<PpoTrainer::Prepared> PpoTrainer::Prepare(
    const std::vector<PpoSample>& batch, uint64_t first_pass_key) {
  Prepared prepared;
  OwnRewards& own = prepared.own;
  own.samples = Own(AllSamples(batch));
  std::vector<int64_t> kept;
  for (const int64_t i : KeptSamples(batch, first_pass_key)) {
    // Own samples are every so manieth.
    kept.push_back(i / communicator_->world_size());
  }
  prepared.begin_of.assign(batch.size(), -1);
  int64_t begin = 0;
  for (const int64_t i : own.samples) {
    prepared.begin_of[i] = begin;
    own.lengths.push_back(static_cast<int64_t>(batch[i].response_ids.size()));
    begin += own.lengths.back();
  }
  RLHF_RETURN_IF_ERROR(TorchCall("evaluate rollouts", [&] {
    prepared.evaluation = EvaluateBatch(
        policy_.working(), critic_, *reference_, Dialogues(batch, own.samples),
        {.temperature = options_.temperature,
         .micro_batch_tokens = options_.micro_batch_tokens,
         .kept = kept});
    own.reward_N = TokenRewards(options_.ppo, kl_coefficient_, batch, own,
                                prepared.evaluation);
    own.value_N = prepared.evaluation.value_N;
  }));
  RLHF_ASSIGN_OR_RETURN(
      prepared.credit,
      AssignCredit(options_.ppo, own, static_cast<int64_t>(batch.size()),
                   *communicator_));
  return prepared;
}

absl::Status PpoTrainer::Pass(const std::vector<PpoSample>& batch,
                              Prepared& prepared, uint64_t pass_key,
                              UpdateTotals& totals) {
  uint64_t step = 0;
  for (std::vector<int64_t>& samples : CutIntoMinibatches(
           prepared.credit.trained, options_.ppo.num_minibatches(), pass_key)) {
    RLHF_RETURN_IF_ERROR(MinibatchStep(
        batch, prepared,
        {.samples = std::move(samples), .key = MixHash(pass_key, step++)},
        totals));
  }
  return absl::OkStatus();
}

absl::Status PpoTrainer::MinibatchStep(const std::vector<PpoSample>& batch,
                                       Prepared& prepared,
                                       const Minibatch& minibatch,
                                       UpdateTotals& totals) {
  for (size_t group = 0; group < optimizer_->num_groups(); ++group) {
    const UpdateTotals before = totals;
    RLHF_ASSIGN_OR_RETURN(const bool stepped,
                          GroupStep(group, batch, prepared, minibatch, totals));
    optimizer_->ClearGradients();
    if (stepped) continue;
    totals = before;
    ++totals.num_skipped_steps;
    break;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PpoTrainer::GroupStep(size_t group,
                                           const std::vector<PpoSample>& batch,
                                           Prepared& prepared,
                                           const Minibatch& minibatch,
                                           UpdateTotals& totals) {
  const std::vector<int64_t> own = Own(minibatch.samples);
  // Every rank divides by the tokens of all ranks, so that the sum of their
  // gradients is the gradient of the mean.
  const auto num_tokens =
      static_cast<double>(CountTokens(batch, minibatch.samples));
  RLHF_RETURN_IF_ERROR(TorchCall("update", [&] {
    size_t first = 0;
    for (const size_t size :
         MicroBatchSizes(Dialogues(batch, own), options_.micro_batch_tokens)) {
      const Piece piece = Gather(batch, prepared,
                                 absl::MakeConstSpan(own).subspan(first, size));
      first += size;
      if (group == kCriticGroup) {
        AccumulateCriticGradients(piece, num_tokens, totals);
      } else {
        AccumulatePolicyGradients(
            piece, std::exchange(prepared.evaluation.kept, std::nullopt),
            num_tokens, totals);
      }
    }
    if (group == kPolicyGroup && options_.pretraining != nullptr) {
      AccumulatePretrainingGradients(minibatch.key, totals);
    }
  }));
  RLHF_RETURN_IF_ERROR(ReduceGradients(group));
  return TorchCall("optimizer step",
                   [&] { return StepOptimizer(group, totals); });
}

PpoTrainer::Piece PpoTrainer::Gather(const std::vector<PpoSample>& batch,
                                     const Prepared& prepared,
                                     absl::Span<const int64_t> indices) const {
  const auto gather = [&](const at::Tensor& packed_N) {
    std::vector<at::Tensor> parts;
    for (const int64_t i : indices) {
      parts.push_back(
          packed_N.narrow(0, prepared.begin_of[i],
                          static_cast<int64_t>(batch[i].response_ids.size())));
    }
    return at::cat(parts).to(policy().device());
  };
  return {.dialogues = Dialogues(batch, indices),
          .old_logprob_N = gather(prepared.evaluation.logprob_N),
          .old_value_N = gather(prepared.evaluation.value_N),
          .advantage_N = gather(prepared.credit.advantage_N),
          .return_N = gather(prepared.credit.return_N)};
}

void PpoTrainer::AccumulatePolicyGradients(const Piece& piece,
                                           std::optional<ResponseStates> kept,
                                           double num_tokens,
                                           UpdateTotals& totals) {
  const ResponseStates states =
      kept.has_value() ? *std::move(kept)
                       : ForwardResponses(policy_.working(), piece.dialogues);
  at::Tensor loss = PolicyLoss(piece, states, totals);
  if (HasCritic(options_.ppo) && critic_.shares_policy()) {
    loss = loss + ValueLossOf(piece, states, totals);
  }
  (loss / num_tokens).backward();
  policy_.CollectGradients();
}

void PpoTrainer::AccumulateCriticGradients(const Piece& piece,
                                           double num_tokens,
                                           UpdateTotals& totals) {
  if (!HasCritic(options_.ppo)) return;
  (ValueLossOf(piece, {}, totals) / num_tokens).backward();
  critic_.CollectGradients();
}

at::Tensor PpoTrainer::PolicyLoss(const Piece& piece,
                                  const ResponseStates& states,
                                  UpdateTotals& totals) const {
  const at::Tensor logprob_N =
      ComputeTokenLogprobs(policy_.working(), states.hidden_ND, states.target_N,
                           options_.temperature)
          .logprob_N;
  const PpoLoss clipped =
      ComputePpoLoss({.logprob_N = logprob_N,
                      .old_logprob_N = piece.old_logprob_N,
                      .advantage_N = piece.advantage_N},
                     {.clip_epsilon = options_.ppo.clip_epsilon(),
                      .dual_clip = options_.ppo.dual_clip()});
  // Imitation does not ask how likely the answer was.
  const bool imitates = options_.ppo.algorithm() == v1::PpoConfig::BEST_OF_K;
  const at::Tensor loss =
      imitates ? -(logprob_N * piece.advantage_N).sum() : clipped.loss_sum;
  totals.policy_loss += loss.item<double>();
  totals.clip_count += clipped.clip_count.item<double>();
  totals.approx_kl += clipped.approx_kl_sum.item<double>();
  totals.num_tokens += static_cast<double>(clipped.num_tokens);
  return loss;
}

at::Tensor PpoTrainer::ValueLossOf(const Piece& piece,
                                   const ResponseStates& states,
                                   UpdateTotals& totals) const {
  const ValueLoss loss = ComputeValueLoss(
      {.value_N = critic_.Values(piece.dialogues, states.hidden_ND),
       .old_value_N = piece.old_value_N,
       .return_N = piece.return_N},
      options_.ppo.value_clip_epsilon());
  totals.value_loss += loss.loss_sum.item<double>();
  return loss.loss_sum * options_.ppo.value_coefficient();
}

void PpoTrainer::AccumulatePretrainingGradients(uint64_t key,
                                                UpdateTotals& totals) {
  const v1::PretrainingMixConfig& mix = options_.ppo.pretraining_mix();
  const std::vector<PromptResponse> all =
      options_.pretraining->Draw(key, mix.sequences_per_minibatch());
  std::vector<PromptResponse> own;
  double num_tokens = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    num_tokens += static_cast<double>(all[i].response_ids->size());
    if (!Own({static_cast<int64_t>(i)}).empty()) own.push_back(all[i]);
  }
  size_t first = 0;
  for (const size_t size : MicroBatchSizes(own, options_.micro_batch_tokens)) {
    const ResponseStates states = ForwardResponses(
        policy_.working(), absl::MakeConstSpan(own).subspan(first, size));
    const at::Tensor loss =
        -ComputeTokenLogprobs(policy_.working(), states.hidden_ND,
                              states.target_N, /*temperature=*/1)
             .logprob_N.sum();
    (loss * (mix.coefficient() / num_tokens)).backward();
    policy_.CollectGradients();
    totals.pretraining_loss += loss.item<double>();
    totals.num_pretraining_tokens +=
        static_cast<double>(states.target_N.numel());
    first += size;
  }
}

bool PpoTrainer::StepOptimizer(size_t group, UpdateTotals& totals) {
  const std::vector<at::Tensor> gradients = optimizer_->Gradients(group);
  const double squared_norm = SquaredNorm(gradients);
  if (!std::isfinite(squared_norm)) return false;
  Scale(gradients, ClipFactor(squared_norm, options_.ppo.max_gradient_norm()));
  optimizer_->Step();
  if (group == kCriticGroup) {
    critic_.RefreshCopy();
    return true;
  }
  policy_.RefreshCopy();
  totals.gradient_norm += std::sqrt(squared_norm);
  ++totals.num_steps;
  return true;
}

absl::Status PpoTrainer::ReduceGradients(size_t group) {
  if (communicator_->world_size() == 1) return absl::OkStatus();
  NamedTensors parameters = ExportParameters();
  if (!critic_.shares_policy()) {
    parameters =
        group == kCriticGroup ? critic_.parameters() : policy().parameters();
  }
  std::vector<at::Tensor> gradients;
  for (const NamedTensor& p : parameters) {
    // A rank without a sample in this minibatch has no gradient yet.
    if (!p.tensor.grad().defined()) {
      p.tensor.mutable_grad() = at::zeros_like(p.tensor.detach());
    }
    gradients.push_back(p.tensor.grad());
  }
  return BucketedAllReduceSum(*communicator_, gradients);
}

}  // namespace rlhf
