#include "trainer/ppo_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/nn/token_logprob.h"
#include "core/nn/torch_call.h"
#include "trainer/minibatches.h"
#include "trainer/off_policy.h"
#include "trainer/optim/schedule.h"
#include "trainer/parallel/share_out.h"
#include "trainer/parameter_hash.h"
#include "trainer/ppo/kl_controller.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo/ppo_loss.h"
#include "trainer/ppo/rejection_sampling.h"
#include "trainer/ppo/value_loss.h"
#include "trainer/rank_shares.h"
#include "trainer/response_forward.h"
#include "trainer/sample_rewards.h"

namespace rlhf {
namespace {

// What a rank without a sample passes idly.
const std::vector<int32_t> kToken = {0};
const std::vector<PromptResponse> kIdle = {{&kToken, &kToken}};

std::unique_ptr<TrainedModels> MakeTrained(Transformer policy,
                                           std::optional<Transformer> critic,
                                           const PpoTrainer::Options& options,
                                           Communicator* communicator) {
  return std::make_unique<TrainedModels>(
      std::move(policy), std::move(critic),
      TrainedModels::Options{
          .adamw = {.beta1 = options.ppo.adam_beta1(),
                    .beta2 = options.ppo.adam_beta2(),
                    .epsilon = options.ppo.adam_epsilon(),
                    .weight_decay = options.ppo.weight_decay()},
          .dtype = options.dtype,
          .device = options.device,
          .recompute_activations = options.recompute_activations,
          .sharded = options.sharded,
          .lora = options.lora},
      communicator);
}

}  // namespace

// What the passes need of the samples that this rank owns.
struct PpoTrainer::Prepared {
  // By batch index: the rank that works on it.
  std::vector<int> rank_of;
  OwnRewards own;
  // By batch index: where the sample's tokens begin in the packed tensors.
  std::vector<int64_t> begin_of;
  BatchEvaluation evaluation;
  Credit credit;
  OffPolicyWeights weights;
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
  at::Tensor weight_N;  // undefined: 1
};

PpoTrainer::PpoTrainer(Models models, const Options& options,
                       Communicator* communicator)
    : options_(options),
      communicator_(communicator),
      trained_(MakeTrained(std::move(models.policy), std::move(models.critic),
                           options, communicator)),
      reference_(options.sharded
                     ? MakeShardedFrozen(*models.reference, "reference",
                                         options.dtype, options.device,
                                         communicator)
                     : MakeReplicatedFrozen(std::move(models.reference),
                                            options.dtype)),
      kl_coefficient_(options.ppo.kl_coefficient()) {}

void PpoTrainer::Restart(Models models) {
  // Not both at a time.
  trained_.reset();
  trained_ = MakeTrained(std::move(models.policy), std::move(models.critic),
                         options_, communicator_);
  RestoreKlCoefficient(options_.ppo.kl_coefficient(), /*order=*/0);
}

void PpoTrainer::OrderKlCoefficient(double value, int64_t order) {
  if (order > kl_order_) RestoreKlCoefficient(value, order);
}

std::vector<int64_t> PpoTrainer::Own(
    const Prepared& prepared, const std::vector<int64_t>& indices) const {
  return SamplesOf(communicator_->rank(), prepared.rank_of, indices);
}

int64_t PpoTrainer::NumIdlePasses(const std::vector<PpoSample>& batch,
                                  const Prepared& prepared,
                                  const std::vector<int64_t>& indices) const {
  std::vector<int> rank_of;
  for (const int64_t i : indices) rank_of.push_back(prepared.rank_of[i]);
  return NumIdlePasses(Dialogues(batch, indices), rank_of);
}

int64_t PpoTrainer::NumIdlePasses(const std::vector<PromptResponse>& dialogues,
                                  const std::vector<int>& rank_of) const {
  if (!trained_->sharded()) return 0;
  return PassesBehind(communicator_->rank(), dialogues, rank_of,
                      options_.micro_batch_tokens);
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
    const std::vector<PpoSample>& batch, int64_t update,
    const UpdateRules& rules) {
  RLHF_CHECK(!batch.empty());
  rules_ = rules;
  const Stopwatch stopwatch;
  const uint64_t update_key =
      MixHash(options_.seed, static_cast<uint64_t>(update));
  update_ = update;
  steps_of_update_ = 0;
  RLHF_ASSIGN_OR_RETURN(Prepared prepared,
                        Prepare(batch, MixHash(update_key, 0)));
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
      RateAt(rules_.learning_rate.value_or(options_.ppo.learning_rate()),
             update, batch.size());
  const double of_critic = options_.ppo.critic_learning_rate();
  trained_->SetLearningRate(TrainedModels::kPolicy, learning_rate);
  trained_->SetLearningRate(
      TrainedModels::kCritic,
      of_critic > 0 ? RateAt(of_critic, update, batch.size()) : learning_rate);
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
  response_kl_nats_ =
      KlK3OfResponses(prepared.evaluation.logprob_N,
                      prepared.evaluation.ref_logprob_N, prepared.own.lengths);
  report.set_update(update);
  report.set_kl_coefficient(KlCoefficient());
  // Rank 0's share stands for all: the actors are the same for every rank.
  report.set_behaviour_mismatch_max_nats(
      BehaviourMismatch(batch, prepared.own, prepared.evaluation.logprob_N));
  RLHF_RETURN_IF_ERROR(
      ReportWeights(prepared.weights.sums, *communicator_, report));
  RLHF_ASSIGN_OR_RETURN(
      *report.mutable_parameter_hash(),
      trained_->sharded()
          ? ParameterHashOfShares(ExportParameters(), *communicator_)
          : absl::StatusOr<std::string>(ParameterHash(ExportParameters())));
  report.set_learning_rate(learning_rate);
  kl_coefficient_ *= rules_.raise_kl;
  report.set_advantage_seconds(prepared.seconds);
  report.set_update_seconds(stopwatch.seconds() - prepared.seconds);
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
    const std::vector<PpoSample>& batch, const Prepared& prepared,
    const std::vector<int64_t>& first_minibatch) const {
  // Sharded weights are gathered pass by pass; which samples are the best is
  // known after the evaluation.
  if (trained_->sharded() || rules_.critic_only ||
      options_.ppo.algorithm() == v1::PpoConfig::BEST_OF_K) {
    return {};
  }
  const std::vector<int64_t> own = Own(prepared, first_minibatch);
  if (MicroBatchSizes(Dialogues(batch, own), options_.micro_batch_tokens)
          .size() != 1) {
    return {};
  }
  std::vector<int64_t> kept;
  for (const int64_t i : own) {
    const auto& samples = prepared.own.samples;
    kept.push_back(std::find(samples.begin(), samples.end(), i) -
                   samples.begin());
  }
  return kept;
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
    const std::vector<PpoSample>& batch, uint64_t first_pass_key) {
  Describe("evaluation of its rollouts");
  Prepared prepared;
  const std::vector<int64_t> all = AllSamples(batch);
  std::vector<int64_t> tokens;
  for (const PpoSample& sample : batch) {
    tokens.push_back(static_cast<int64_t>(sample.prompt_ids.size() +
                                          sample.response_ids.size()));
  }
  const std::vector<std::vector<int64_t>> minibatches =
      CutIntoMinibatches(all, options_.ppo.num_minibatches(), first_pass_key);
  prepared.rank_of = ShareOut(minibatches, tokens, communicator_->world_size());
  OwnRewards& own = prepared.own;
  own.samples = Own(prepared, all);
  prepared.begin_of.assign(batch.size(), -1);
  int64_t begin = 0;
  for (const int64_t i : own.samples) {
    prepared.begin_of[i] = begin;
    own.lengths.push_back(static_cast<int64_t>(batch[i].response_ids.size()));
    begin += own.lengths.back();
  }
  RLHF_RETURN_IF_ERROR(TorchCall("evaluate rollouts", [&] {
    EvaluationOptions evaluation = {
        .temperature = options_.temperature,
        .micro_batch_tokens = options_.micro_batch_tokens,
        .kept = KeptSamples(batch, prepared, minibatches.front())};
    prepared.evaluation =
        EvaluateBatch(policy(), trained_->critic(), *reference_,
                      Dialogues(batch, own.samples), evaluation);
    evaluation.kept.clear();
    for (int64_t n = NumIdlePasses(batch, prepared, all); n > 0; --n) {
      EvaluateBatch(policy(), trained_->critic(), *reference_, kIdle,
                    evaluation);
    }
    trained_->EndPass();
    reference_->EndPass();
    own.reward_N =
        TokenRewards(options_.ppo, Imitates(options_.ppo) ? 0 : KlCoefficient(),
                     batch, own, prepared.evaluation);
    own.value_N = prepared.evaluation.value_N;
    prepared.weights = WeighByStaleness(options_.ppo, batch, own,
                                        prepared.evaluation.logprob_N);
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
  for (size_t part = 0; part < trained_->num_parts(); ++part) {
    if (part == TrainedModels::kCritic && !HasCritic(options_.ppo)) break;
    if (part == TrainedModels::kPolicy && rules_.critic_only) continue;
    const UpdateTotals before = totals;
    RLHF_ASSIGN_OR_RETURN(const std::optional<double> gradient_norm,
                          PartStep(part, batch, prepared, minibatch, totals));
    if (!gradient_norm.has_value()) {
      totals = before;
      ++totals.num_skipped_steps;
      break;
    }
    if (part == TrainedModels::kCritic && !rules_.critic_only) continue;
    totals.gradient_norm += *gradient_norm;
    ++totals.num_steps;
    ++steps_of_update_;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<double>> PpoTrainer::PartStep(
    size_t part, const std::vector<PpoSample>& batch, Prepared& prepared,
    const Minibatch& minibatch, UpdateTotals& totals) {
  const std::vector<int64_t> own = Own(prepared, minibatch.samples);
  // Every rank divides by the tokens of all ranks, so that the sum of their
  // gradients is the gradient of the mean.
  const auto num_tokens =
      static_cast<double>(CountTokens(batch, minibatch.samples));
  Describe("gradients");
  RLHF_RETURN_IF_ERROR(TorchCall("update", [&]() -> absl::Status {
    trained_->BeginStep(part);
    if (part == TrainedModels::kPolicy && options_.pretraining != nullptr) {
      AccumulatePretrainingGradients(minibatch.key, totals);
    }
    PassIdly(part, NumIdlePasses(batch, prepared, minibatch.samples));
    size_t first = 0;
    for (const size_t size :
         MicroBatchSizes(Dialogues(batch, own), options_.micro_batch_tokens)) {
      if (options_.give_up()) {
        return absl::CancelledError(
            absl::StrCat("update ", update_, " was given up"));
      }
      if (first + size == own.size()) trained_->ExpectLastPass(part);
      const Piece piece = Gather(batch, prepared,
                                 absl::MakeConstSpan(own).subspan(first, size));
      first += size;
      if (part == TrainedModels::kCritic) {
        AccumulateCriticGradients(piece, num_tokens, totals);
      } else {
        AccumulatePolicyGradients(
            piece, std::exchange(prepared.evaluation.kept, std::nullopt),
            num_tokens, totals);
      }
    }
    return absl::OkStatus();
  }));
  return TorchCall("optimizer step", [&] {
    return trained_->Step(part, options_.ppo.max_gradient_norm());
  });
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
  const at::Tensor& weight_N = prepared.weights.weight_N;
  return {.dialogues = Dialogues(batch, indices),
          .old_logprob_N = gather(prepared.evaluation.logprob_N),
          .old_value_N = gather(prepared.evaluation.value_N),
          .advantage_N = gather(prepared.credit.advantage_N),
          .return_N = gather(prepared.credit.return_N),
          .weight_N = weight_N.defined() ? gather(weight_N) : at::Tensor()};
}

void PpoTrainer::AccumulatePolicyGradients(const Piece& piece,
                                           std::optional<ResponseStates> kept,
                                           double num_tokens,
                                           UpdateTotals& totals) {
  const ResponseStates states =
      kept.has_value() ? *std::move(kept)
                       : ForwardResponses(policy(), piece.dialogues);
  at::Tensor loss = PolicyLoss(piece, states, totals);
  if (HasCritic(options_.ppo) && trained_->critic().shares_policy()) {
    loss = loss + ValueLossOf(piece, states, totals);
  }
  (loss / num_tokens).backward();
  trained_->CollectGradients(TrainedModels::kPolicy);
}

void PpoTrainer::AccumulateCriticGradients(const Piece& piece,
                                           double num_tokens,
                                           UpdateTotals& totals) {
  // Else the policy's pass counted them.
  if (rules_.critic_only) {
    totals.num_tokens += static_cast<double>(piece.old_value_N.numel());
  }
  (ValueLossOf(piece, {}, totals) / num_tokens).backward();
  trained_->CollectGradients(TrainedModels::kCritic);
}

void PpoTrainer::PassIdly(size_t part, int64_t count) {
  for (; count > 0; --count) {
    at::Tensor result;
    if (part == TrainedModels::kCritic) {
      result = trained_->critic().Values(kIdle, at::Tensor());
    } else {
      const ResponseStates states = ForwardResponses(policy(), kIdle);
      result = ComputeTokenLogprobs(policy(), states.hidden_ND, states.target_N,
                                    options_.temperature)
                   .logprob_N;
    }
    (result.sum() * 0).backward();
    trained_->CollectGradients(part);
  }
}

at::Tensor PpoTrainer::PolicyLoss(const Piece& piece,
                                  const ResponseStates& states,
                                  UpdateTotals& totals) const {
  const at::Tensor logprob_N =
      ComputeTokenLogprobs(policy(), states.hidden_ND, states.target_N,
                           options_.temperature)
          .logprob_N;
  const PpoLoss clipped =
      ComputePpoLoss({.logprob_N = logprob_N,
                      .old_logprob_N = piece.old_logprob_N,
                      .advantage_N = piece.advantage_N,
                      .weight_N = piece.weight_N},
                     {.clip_epsilon = options_.ppo.clip_epsilon(),
                      .dual_clip = options_.ppo.dual_clip()});
  const at::Tensor loss =
      Imitates(options_.ppo) ? ImitationLossSum(logprob_N) : clipped.loss_sum;
  totals.policy_loss += loss.item<double>();
  totals.clip_count += clipped.clip_count.item<double>();
  totals.approx_kl += clipped.approx_kl_sum.item<double>();
  totals.ratio_offset += clipped.ratio_offset_sum.item<double>();
  totals.ratio_offset_square += clipped.ratio_offset_square_sum.item<double>();
  totals.num_tokens += static_cast<double>(clipped.num_tokens);
  return loss;
}

at::Tensor PpoTrainer::ValueLossOf(const Piece& piece,
                                   const ResponseStates& states,
                                   UpdateTotals& totals) const {
  const ValueLoss loss = ComputeValueLoss(
      {.value_N = trained_->critic().Values(piece.dialogues, states.hidden_ND),
       .old_value_N = piece.old_value_N,
       .return_N = piece.return_N},
      options_.ppo.value_clip_epsilon());
  totals.value_loss += loss.loss_sum.item<double>();
  totals.value_clip_count += loss.clip_count.item<double>();
  return loss.loss_sum * options_.ppo.value_coefficient();
}

void PpoTrainer::AccumulatePretrainingGradients(uint64_t key,
                                                UpdateTotals& totals) {
  const v1::PretrainingMixConfig& mix = options_.ppo.pretraining_mix();
  const std::vector<PromptResponse> all =
      options_.pretraining->Draw(key, mix.sequences_per_minibatch());
  std::vector<int> rank_of;
  std::vector<PromptResponse> own;
  double num_tokens = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    num_tokens += static_cast<double>(all[i].response_ids->size());
    rank_of.push_back(static_cast<int>(i) % communicator_->world_size());
    if (rank_of.back() == communicator_->rank()) own.push_back(all[i]);
  }
  PassIdly(TrainedModels::kPolicy, NumIdlePasses(all, rank_of));
  size_t first = 0;
  for (const size_t size : MicroBatchSizes(own, options_.micro_batch_tokens)) {
    const ResponseStates states = ForwardResponses(
        policy(), absl::MakeConstSpan(own).subspan(first, size));
    const at::Tensor loss =
        -ComputeTokenLogprobs(policy(), states.hidden_ND, states.target_N,
                              /*temperature=*/1)
             .logprob_N.sum();
    (loss * (mix.coefficient() / num_tokens)).backward();
    trained_->CollectGradients(TrainedModels::kPolicy);
    totals.pretraining_loss += loss.item<double>();
    totals.num_pretraining_tokens +=
        static_cast<double>(states.target_N.numel());
    first += size;
  }
}

}  // namespace rlhf
