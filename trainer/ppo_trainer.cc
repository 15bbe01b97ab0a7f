#include "trainer/ppo_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
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
#include "trainer/ppo/advantage.h"
#include "trainer/ppo/explained_variance.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo/kl_penalty.h"
#include "trainer/ppo/ppo_loss.h"
#include "trainer/ppo/value_loss.h"
#include "trainer/ppo/whiten.h"
#include "trainer/response_forward.h"

namespace rlhf {
namespace {

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

// All-reduces a handful of numbers.
absl::Status SumOverRanks(Communicator& communicator,
                          std::vector<double*> numbers) {
  if (communicator.world_size() == 1) return absl::OkStatus();
  std::vector<double> values;
  for (const double* number : numbers) values.push_back(*number);
  const at::Tensor sums = at::tensor(values, at::TensorOptions(at::kDouble));
  RLHF_RETURN_IF_ERROR(communicator.AllReduceSum({sums}));
  for (size_t i = 0; i < numbers.size(); ++i) {
    *numbers[i] = sums[static_cast<int64_t>(i)].item<double>();
  }
  return absl::OkStatus();
}

absl::Status SumOverRanks(Communicator& communicator, MomentSums& sums) {
  return SumOverRanks(communicator,
                      {&sums.count, &sums.sum, &sums.sum_of_squares});
}

}  // namespace

// What the passes need of each sample that this rank owns; all tensors [n] over
// the response tokens of one sample.
struct PpoTrainer::Prepared {
  std::vector<int64_t> own;  // indices into the batch
  std::vector<int64_t> lengths;
  // Packed over `own`, [N].
  at::Tensor old_logprob_N, ref_logprob_N, old_value_N, reward_N;
  at::Tensor advantage_N, return_N;
  double entropy_sum = 0;
  double seconds = 0;
  // By batch index: where the sample's tokens begin in the packed tensors.
  std::vector<int64_t> begin_of;
};

// Sums over all minibatches of an update, on this rank.
struct PpoTrainer::Totals {
  double policy_loss = 0, value_loss = 0;
  double clip_count = 0, approx_kl = 0;
  double num_tokens = 0;
  double gradient_norm = 0;  // equal on all ranks
  int64_t num_steps = 0;
};

PpoTrainer::PpoTrainer(Transformer policy,
                       std::shared_ptr<const Transformer> reference,
                       const Options& options, Communicator* communicator)
    : options_(options),
      communicator_(communicator),
      policy_(std::move(policy)),
      reference_(std::move(reference)) {
  const auto like = at::TensorOptions(at::kFloat).device(policy_.device());
  value_weight_D_ = at::zeros({1, policy_.config().hidden_size}, like);
  value_bias_ = at::zeros({1}, like);
  ParameterGroup group{.parameters = ExportParameters(), .learning_rate = 0};
  for (const NamedTensor& p : group.parameters)
    p.tensor.set_requires_grad(true);
  optimizer_ = std::make_unique<AdamW>(
      std::vector<ParameterGroup>{std::move(group)},
      AdamWOptions{.beta1 = options.ppo.adam_beta1(),
                   .beta2 = options.ppo.adam_beta2(),
                   .epsilon = options.ppo.adam_epsilon(),
                   .weight_decay = options.ppo.weight_decay()});
}

NamedTensors PpoTrainer::ExportParameters() const {
  NamedTensors parameters = policy_.parameters();
  parameters.push_back({"value_head.weight", value_weight_D_});
  parameters.push_back({"value_head.bias", value_bias_});
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
  });
}

std::vector<int64_t> PpoTrainer::Own(
    const std::vector<int64_t>& indices) const {
  std::vector<int64_t> own;
  for (const int64_t i : indices) {
    if (i % communicator_->world_size() == communicator_->rank()) {
      own.push_back(i);
    }
  }
  return own;
}

absl::StatusOr<v1::UpdateReport> PpoTrainer::Update(
    const std::vector<PpoSample>& batch, int64_t update) {
  RLHF_CHECK(!batch.empty());
  const Stopwatch stopwatch;
  RLHF_ASSIGN_OR_RETURN(Prepared prepared, Prepare(batch));
  if (options_.ppo.whiten_advantages()) {
    RLHF_RETURN_IF_ERROR(WhitenAdvantages(prepared));
  }
  prepared.seconds = stopwatch.seconds();
  const double learning_rate = LearningRate(
      {.learning_rate = options_.ppo.learning_rate(),
       .warmup_rollouts = options_.ppo.warmup_rollouts(),
       .halve_every_rollouts = options_.ppo.halve_every_rollouts()},
      update * static_cast<int64_t>(batch.size()));
  optimizer_->SetLearningRate(0, learning_rate);
  Totals totals;
  const uint64_t update_key =
      MixHash(options_.seed, static_cast<uint64_t>(update));
  for (int epoch = 0; epoch < options_.ppo.num_epochs(); ++epoch) {
    RLHF_RETURN_IF_ERROR(
        Pass(batch, prepared, MixHash(update_key, epoch), totals));
  }
  RLHF_ASSIGN_OR_RETURN(v1::UpdateReport report,
                        Summarize(batch, prepared, totals));
  report.set_update(update);
  report.set_learning_rate(learning_rate);
  report.set_forward_seconds(prepared.seconds);
  report.set_train_seconds(stopwatch.seconds() - prepared.seconds);
  return report;
}

absl::StatusOr<PpoTrainer::Prepared> PpoTrainer::Prepare(
    const std::vector<PpoSample>& batch) {
  Prepared prepared;
  std::vector<int64_t> all(batch.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  prepared.own = Own(all);
  prepared.begin_of.assign(batch.size(), -1);
  int64_t begin = 0;
  for (const int64_t i : prepared.own) {
    prepared.begin_of[i] = begin;
    prepared.lengths.push_back(
        static_cast<int64_t>(batch[i].response_ids.size()));
    begin += prepared.lengths.back();
  }
  RLHF_RETURN_IF_ERROR(TorchCall("evaluate rollouts", [&] {
    const c10::NoGradGuard no_grad;
    std::vector<at::Tensor> old_logprob, ref_logprob, value, scores, ended;
    const auto dialogues = Dialogues(batch, prepared.own);
    size_t first = 0;
    for (const size_t size :
         MicroBatchSizes(dialogues, options_.micro_batch_tokens)) {
      const auto piece = absl::MakeConstSpan(dialogues).subspan(first, size);
      const ResponseStates states = ForwardResponses(policy_, piece);
      const TokenLogprobs now = ComputeTokenLogprobs(
          policy_, states.hidden_ND, states.target_N, options_.temperature);
      const ResponseStates ref_states = ForwardResponses(*reference_, piece);
      const TokenLogprobs then =
          ComputeTokenLogprobs(*reference_, ref_states.hidden_ND,
                               states.target_N, options_.temperature);
      old_logprob.push_back(now.logprob_N);
      ref_logprob.push_back(then.logprob_N);
      value.push_back(at::linear(states.hidden_ND, value_weight_D_, value_bias_)
                          .squeeze(-1));
      prepared.entropy_sum += now.entropy_N.sum().item<double>();
      first += size;
    }
    std::vector<float> score;
    std::vector<int64_t> end;
    for (const int64_t i : prepared.own) {
      score.push_back(static_cast<float>(batch[i].score));
      end.push_back(batch[i].ended ? 1 : 0);
    }
    const auto join = [&](const std::vector<at::Tensor>& parts) {
      return parts.empty() ? at::zeros({0}) : at::cat(parts).to(at::kCPU);
    };
    prepared.old_logprob_N = join(old_logprob);
    prepared.ref_logprob_N = join(ref_logprob);
    prepared.old_value_N = join(value);
    prepared.reward_N = ComputeTokenRewards(
        {.logprob_N = prepared.old_logprob_N,
         .ref_logprob_N = prepared.ref_logprob_N,
         .score_S = at::tensor(score, at::TensorOptions(at::kFloat)),
         .ended_S =
             at::tensor(end, at::TensorOptions(at::kLong)).to(at::kBool)},
        prepared.lengths,
        {.kl_coefficient = options_.ppo.kl_coefficient(),
         .missing_eos_penalty = options_.ppo.missing_eos_penalty()});
    const Advantages advantages = ComputeAdvantages(
        prepared.reward_N, prepared.old_value_N, prepared.lengths,
        {.discount = options_.ppo.discount(),
         .lambda = options_.ppo.gae_lambda()});
    prepared.advantage_N = advantages.advantage_N;
    prepared.return_N = advantages.return_N;
  }));
  return prepared;
}

absl::Status PpoTrainer::WhitenAdvantages(Prepared& prepared) {
  MomentSums sums = SumMoments(prepared.advantage_N);
  RLHF_RETURN_IF_ERROR(SumOverRanks(*communicator_, sums));
  prepared.advantage_N =
      Whiten(prepared.advantage_N, FromSums(sums), /*shift_mean=*/true);
  return absl::OkStatus();
}

absl::Status PpoTrainer::Pass(const std::vector<PpoSample>& batch,
                              const Prepared& prepared, uint64_t pass_key,
                              Totals& totals) {
  std::vector<int64_t> order(batch.size());
  std::iota(order.begin(), order.end(), int64_t{0});
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
    RLHF_RETURN_IF_ERROR(MinibatchStep(batch, prepared, minibatch, totals));
  }
  return absl::OkStatus();
}

absl::Status PpoTrainer::MinibatchStep(const std::vector<PpoSample>& batch,
                                       const Prepared& prepared,
                                       const std::vector<int64_t>& minibatch,
                                       Totals& totals) {
  const std::vector<int64_t> own = Own(minibatch);
  // Every rank divides by the tokens of all ranks, so that the sum of their
  // gradients is the gradient of the mean.
  const auto num_tokens = static_cast<double>(CountTokens(batch, minibatch));
  optimizer_->ClearGradients();
  RLHF_RETURN_IF_ERROR(TorchCall("update", [&] {
    const auto dialogues = Dialogues(batch, own);
    size_t first = 0;
    for (const size_t size :
         MicroBatchSizes(dialogues, options_.micro_batch_tokens)) {
      const auto piece = absl::MakeConstSpan(dialogues).subspan(first, size);
      const ResponseStates states = ForwardResponses(policy_, piece);
      const TokenLogprobs now = ComputeTokenLogprobs(
          policy_, states.hidden_ND, states.target_N, options_.temperature);
      const at::Tensor value_N =
          at::linear(states.hidden_ND, value_weight_D_, value_bias_)
              .squeeze(-1);
      const auto gather = [&](const at::Tensor& packed_N) {
        std::vector<at::Tensor> parts;
        for (size_t k = first; k < first + size; ++k) {
          const auto length =
              static_cast<int64_t>(batch[own[k]].response_ids.size());
          parts.push_back(
              packed_N.narrow(0, prepared.begin_of[own[k]], length));
        }
        return at::cat(parts).to(policy_.device());
      };
      const PpoLoss policy_loss =
          ComputePpoLoss({.logprob_N = now.logprob_N,
                          .old_logprob_N = gather(prepared.old_logprob_N),
                          .advantage_N = gather(prepared.advantage_N)},
                         options_.ppo.clip_epsilon());
      const ValueLoss value_loss =
          ComputeValueLoss({.value_N = value_N,
                            .old_value_N = gather(prepared.old_value_N),
                            .return_N = gather(prepared.return_N)},
                           options_.ppo.value_clip_epsilon());
      ((policy_loss.loss_sum +
        value_loss.loss_sum * options_.ppo.value_coefficient()) /
       num_tokens)
          .backward();
      totals.policy_loss += policy_loss.loss_sum.item<double>();
      totals.value_loss += value_loss.loss_sum.item<double>();
      totals.clip_count += policy_loss.clip_count.item<double>();
      totals.approx_kl += policy_loss.approx_kl_sum.item<double>();
      totals.num_tokens += static_cast<double>(policy_loss.num_tokens);
      first += size;
    }
  }));
  RLHF_RETURN_IF_ERROR(ReduceGradients());
  return TorchCall("optimizer step", [&]() -> absl::Status {
    const std::vector<at::Tensor> gradients = optimizer_->Gradients();
    const double squared_norm = SquaredNorm(gradients);
    if (!std::isfinite(squared_norm)) {
      return absl::InternalError(
          "the gradient is not finite; the policy was left as it was before "
          "this step");
    }
    Scale(gradients,
          ClipFactor(squared_norm, options_.ppo.max_gradient_norm()));
    optimizer_->Step();
    totals.gradient_norm += std::sqrt(squared_norm);
    ++totals.num_steps;
    return absl::OkStatus();
  });
}

absl::Status PpoTrainer::ReduceGradients() {
  if (communicator_->world_size() == 1) return absl::OkStatus();
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

absl::StatusOr<v1::UpdateReport> PpoTrainer::Summarize(
    const std::vector<PpoSample>& batch, const Prepared& prepared,
    Totals& totals) const {
  const KlSums own_kl = SumKl(prepared.old_logprob_N, prepared.ref_logprob_N);
  double kl_k1 = own_kl.k1_nats, kl_k3 = own_kl.k3_nats;
  double kl_tokens = static_cast<double>(own_kl.num_tokens);
  double entropy = prepared.entropy_sum;
  MomentSums returns = SumMoments(prepared.return_N);
  MomentSums residuals = SumMoments(prepared.return_N - prepared.old_value_N);
  RLHF_RETURN_IF_ERROR(
      SumOverRanks(*communicator_,
                   {&kl_k1, &kl_k3, &kl_tokens, &entropy, &totals.policy_loss,
                    &totals.value_loss, &totals.clip_count, &totals.approx_kl,
                    &totals.num_tokens, &returns.count, &returns.sum,
                    &returns.sum_of_squares, &residuals.count, &residuals.sum,
                    &residuals.sum_of_squares}));
  const KlSummary kl =
      SummarizeKl({.k1_nats = kl_k1,
                   .k3_nats = kl_k3,
                   .num_tokens = static_cast<int64_t>(kl_tokens)},
                  static_cast<int64_t>(batch.size()));
  v1::UpdateReport report;
  report.set_kl_k1_nats_per_sequence(kl.k1_nats_per_sequence);
  report.set_kl_k3_nats_per_sequence(kl.k3_nats_per_sequence);
  report.set_kl_k1_nats_per_token(kl.k1_nats_per_token);
  report.set_entropy_nats_per_token(entropy / kl_tokens);
  report.set_policy_loss(totals.policy_loss / totals.num_tokens);
  report.set_value_loss(totals.value_loss / totals.num_tokens);
  report.set_clip_share(totals.clip_count / totals.num_tokens);
  report.set_approx_kl_nats(totals.approx_kl / totals.num_tokens);
  report.set_gradient_norm(totals.gradient_norm /
                           static_cast<double>(totals.num_steps));
  report.set_value_explained_variance(
      ExplainedVariance(FromSums(returns), FromSums(residuals)));
  report.set_kl_coefficient(options_.ppo.kl_coefficient());
  // Rank 0's share stands for all: the actors are the same for every rank.
  double mismatch = 0;
  for (size_t k = 0; k < prepared.own.size(); ++k) {
    const PpoSample& sample = batch[prepared.own[k]];
    const at::Tensor ours = prepared.old_logprob_N.narrow(
        0, prepared.begin_of[prepared.own[k]], prepared.lengths[k]);
    const at::Tensor theirs =
        at::tensor(sample.behaviour_logprobs, at::TensorOptions(at::kFloat));
    mismatch = std::max(mismatch, (ours - theirs).abs().max().item<double>());
  }
  report.set_behaviour_mismatch_max_nats(mismatch);
  return report;
}

}  // namespace rlhf
