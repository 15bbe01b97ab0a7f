#include "trainer/ppo_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/comm/bucketed_sum.h"
#include "core/nn/token_logprob.h"
#include "core/nn/torch_call.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/optim/schedule.h"
#include "trainer/ppo/kl_controller.h"
#include "trainer/ppo/kl_penalty.h"
#include "trainer/ppo/ppo_loss.h"
#include "trainer/ppo/value_loss.h"
#include "trainer/response_forward.h"

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

KlEstimator EstimatorOf(const v1::PpoConfig& config) {
  switch (config.kl_estimator()) {
    case v1::PpoConfig::K1:
      return KlEstimator::kK1;
    case v1::PpoConfig::K2:
      return KlEstimator::kK2;
    case v1::PpoConfig::K3:
      break;
  }
  return KlEstimator::kK3;
}

// [N], for the samples `own`, whose tokens `evaluation` holds.
at::Tensor TokenRewards(const std::vector<PpoSample>& batch,
                        const OwnRewards& own,
                        const BatchEvaluation& evaluation,
                        const KlPenaltyOptions& options) {
  std::vector<float> scores;
  std::vector<int64_t> ended;
  for (const int64_t i : own.samples) {
    scores.push_back(static_cast<float>(batch[i].score));
    ended.push_back(batch[i].ended ? 1 : 0);
  }
  return ComputeTokenRewards(
      {.logprob_N = evaluation.logprob_N,
       .ref_logprob_N = evaluation.ref_logprob_N,
       .score_S = at::tensor(scores, at::TensorOptions(at::kFloat)),
       .ended_S =
           at::tensor(ended, at::TensorOptions(at::kLong)).to(at::kBool)},
      own.lengths, options);
}

// The largest difference between the actors' log-probabilities and ours.
double BehaviourMismatch(const std::vector<PpoSample>& batch,
                         const OwnRewards& own, const at::Tensor& logprob_N) {
  double mismatch = 0;
  int64_t begin = 0;
  for (size_t k = 0; k < own.samples.size(); ++k) {
    const at::Tensor theirs =
        at::tensor(batch[own.samples[k]].behaviour_logprobs,
                   at::TensorOptions(at::kFloat));
    const at::Tensor ours = logprob_N.narrow(0, begin, own.lengths[k]);
    mismatch = std::max(mismatch, (ours - theirs).abs().max().item<double>());
    begin += own.lengths[k];
  }
  return mismatch;
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

bool PpoTrainer::IsOwn(int64_t index) const {
  return index % communicator_->world_size() == communicator_->rank();
}

std::vector<int64_t> PpoTrainer::Own(
    const std::vector<int64_t>& indices) const {
  std::vector<int64_t> own;
  for (const int64_t i : indices) {
    if (IsOwn(i)) own.push_back(i);
  }
  return own;
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
  update_ = update;
  steps_of_update_ = 0;
  RLHF_ASSIGN_OR_RETURN(Prepared prepared, Prepare(batch));
  prepared.seconds = stopwatch.seconds();
  UpdateTotals totals;
  RLHF_ASSIGN_OR_RETURN(
      const double kl,
      LimitedKl(options_.learner, prepared.evaluation,
                static_cast<int64_t>(batch.size()), *communicator_));
  if (Diverged(kl, totals)) {
    return LeftOutReport(update, totals, kl, kl_coefficient_);
  }
  const double learning_rate =
      RateAt(options_.ppo.learning_rate(), update, batch.size());
  optimizer_->SetLearningRate(kPolicyGroup, learning_rate);
  if (!critic_.shares_policy()) {
    const double own = options_.ppo.critic_learning_rate();
    optimizer_->SetLearningRate(
        kCriticGroup,
        own > 0 ? RateAt(own, update, batch.size()) : learning_rate);
  }
  const uint64_t update_key = MixHash(options_.seed, update);
  for (int epoch = 0; epoch < options_.ppo.num_epochs(); ++epoch) {
    RLHF_RETURN_IF_ERROR(
        Pass(batch, prepared, MixHash(update_key, epoch), totals));
  }
  if (Diverged(kl, totals)) {
    return LeftOutReport(update, totals, kl, kl_coefficient_);
  }
  Describe("summary");
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

bool PpoTrainer::Diverged(double kl, const UpdateTotals& totals) {
  divergence_ = JudgeUpdate({.num_steps = totals.num_steps,
                             .num_skipped_steps = totals.num_skipped_steps,
                             .kl_nats_per_sequence = kl},
                            options_.learner);
  return divergence_.action != Divergence::Action::kContinue;
}

void PpoTrainer::Describe(absl::string_view what) const {
  communicator_->Describe(absl::StrCat(
      "update ", update_, " of policy version ", update_ - 1, ", ", what));
}

absl::StatusOr<PpoTrainer::Prepared> PpoTrainer::Prepare(
    const std::vector<PpoSample>& batch) {
  Describe("evaluation of its rollouts");
  Prepared prepared;
  std::vector<int64_t> all(batch.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  OwnRewards& own = prepared.own;
  own.samples = Own(all);
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
         .micro_batch_tokens = options_.micro_batch_tokens});
    own.reward_N = TokenRewards(
        batch, own, prepared.evaluation,
        {.kl_coefficient = kl_coefficient_,
         .estimator = EstimatorOf(options_.ppo),
         .missing_eos_penalty = options_.ppo.missing_eos_penalty()});
    own.value_N = prepared.evaluation.value_N;
  }));
  RLHF_ASSIGN_OR_RETURN(
      prepared.credit,
      AssignCredit(options_.ppo, own, static_cast<int64_t>(batch.size()),
                   *communicator_));
  return prepared;
}

absl::Status PpoTrainer::Pass(const std::vector<PpoSample>& batch,
                              const Prepared& prepared, uint64_t pass_key,
                              UpdateTotals& totals) {
  std::vector<int64_t> order = prepared.credit.trained;
  std::sort(order.begin(), order.end(), [pass_key](int64_t a, int64_t b) {
    return std::pair(MixHash(pass_key, a), a) <
           std::pair(MixHash(pass_key, b), b);
  });
  const auto count = static_cast<int64_t>(order.size());
  const int64_t pieces =
      std::min<int64_t>(options_.ppo.num_minibatches(), count);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const std::vector<int64_t> minibatch(
        order.begin() + count * piece / pieces,
        order.begin() + count * (piece + 1) / pieces);
    RLHF_RETURN_IF_ERROR(MinibatchStep(batch, prepared, minibatch,
                                       MixHash(pass_key, piece), totals));
  }
  return absl::OkStatus();
}

absl::Status PpoTrainer::MinibatchStep(const std::vector<PpoSample>& batch,
                                       const Prepared& prepared,
                                       const std::vector<int64_t>& minibatch,
                                       uint64_t key, UpdateTotals& totals) {
  const std::vector<int64_t> own = Own(minibatch);
  // Every rank divides by the tokens of all ranks, so that the sum of their
  // gradients is the gradient of the mean.
  const auto num_tokens = static_cast<double>(CountTokens(batch, minibatch));
  const UpdateTotals before = totals;
  optimizer_->ClearGradients();
  RLHF_RETURN_IF_ERROR(TorchCall("update", [&]() -> absl::Status {
    size_t first = 0;
    for (const size_t size :
         MicroBatchSizes(Dialogues(batch, own), options_.micro_batch_tokens)) {
      if (options_.give_up()) {
        return absl::CancelledError(
            absl::StrCat("update ", update_, " was given up"));
      }
      AccumulateGradients(batch, prepared,
                          absl::MakeConstSpan(own).subspan(first, size),
                          num_tokens, totals);
      first += size;
    }
    if (options_.pretraining != nullptr) {
      AccumulatePretrainingGradients(key, totals);
    }
    return absl::OkStatus();
  }));
  RLHF_RETURN_IF_ERROR(ReduceGradients());
  return TorchCall("optimizer step", [&] {
    if (StepOptimizer(totals)) return;
    totals = before;
    ++totals.num_skipped_steps;
  });
}

void PpoTrainer::AccumulateGradients(const std::vector<PpoSample>& batch,
                                     const Prepared& prepared,
                                     absl::Span<const int64_t> indices,
                                     double num_tokens, UpdateTotals& totals) {
  const auto gather = [&](const at::Tensor& packed_N) {
    std::vector<at::Tensor> parts;
    for (const int64_t i : indices) {
      parts.push_back(
          packed_N.narrow(0, prepared.begin_of[i],
                          static_cast<int64_t>(batch[i].response_ids.size())));
    }
    return at::cat(parts).to(policy().device());
  };
  const Piece piece = {.dialogues = Dialogues(batch, indices),
                       .old_logprob_N = gather(prepared.evaluation.logprob_N),
                       .old_value_N = gather(prepared.evaluation.value_N),
                       .advantage_N = gather(prepared.credit.advantage_N),
                       .return_N = gather(prepared.credit.return_N)};
  ResponseStates states = ForwardResponses(policy_.working(), piece.dialogues);
  at::Tensor loss = PolicyLoss(piece, states, totals);
  if (HasCritic(options_.ppo)) {
    if (!critic_.shares_policy()) {
      // Frees the policy's activations before the critic makes its own.
      (loss / num_tokens).backward();
      loss = at::zeros({});
      states = {};
    }
    loss = loss + ValueLossOf(piece, states, totals);
  }
  (loss / num_tokens).backward();
  policy_.CollectGradients();
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
    if (IsOwn(static_cast<int64_t>(i))) own.push_back(all[i]);
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

bool PpoTrainer::StepOptimizer(UpdateTotals& totals) {
  std::vector<double> squared_norms;
  for (size_t group = 0; group < optimizer_->num_groups(); ++group) {
    squared_norms.push_back(SquaredNorm(optimizer_->Gradients(group)));
    if (!std::isfinite(squared_norms.back())) return false;
  }
  for (size_t group = 0; group < optimizer_->num_groups(); ++group) {
    Scale(optimizer_->Gradients(group),
          ClipFactor(squared_norms[group], options_.ppo.max_gradient_norm()));
  }
  optimizer_->Step();
  policy_.RefreshCopy();
  critic_.RefreshCopy();
  totals.gradient_norm += std::sqrt(squared_norms[kPolicyGroup]);
  ++totals.num_steps;
  ++steps_of_update_;
  return true;
}

absl::Status PpoTrainer::ReduceGradients() {
  if (communicator_->world_size() == 1) return absl::OkStatus();
  Describe("gradients");
  std::vector<at::Tensor> gradients;
  for (const NamedTensor& p : ExportParameters()) {
    // A rank without a sample in this minibatch has no gradient yet.
    if (!p.tensor.grad().defined()) {
      p.tensor.mutable_grad() = at::zeros_like(p.tensor.detach());
    }
    gradients.push_back(p.tensor.grad());
  }
  return BucketedAllReduceSum(*communicator_, gradients);
}

}  // namespace rlhf
