// Runs the learner's functions on given numbers: tools/parity compares what
// they return with float64 references and with TRL.
//
//   math_probe < calls.jsonl > results.jsonl
//
// A call is an object: "function" is a name of kFunctions, "dtype" float32 or
// float64, the rest are the function's inputs and options under the names that
// our headers give them. Its result is one line: an object of lists and
// numbers. Dies on anything else.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/json.h"
#include "trainer/credit_assignment.h"
#include "trainer/optim/adamw.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/optim/schedule.h"
#include "trainer/ppo/advantage.h"
#include "trainer/ppo/explained_variance.h"
#include "trainer/ppo/kl_controller.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo/kl_penalty.h"
#include "trainer/ppo/ppo_loss.h"
#include "trainer/ppo/value_loss.h"
#include "trainer/ppo/whiten.h"
#include "trainer/preference/pairwise_loss.h"

namespace rlhf {
namespace {

at::Tensor ToTensor(const Json& call, const Json& values) {
  return at::tensor(values.get<std::vector<double>>(), at::kDouble)
      .to(call["dtype"] == "float64" ? at::kDouble : at::kFloat);
}

at::Tensor Input(const Json& call, const char* name) {
  return ToTensor(call, call[name]);
}

at::Tensor Trained(const Json& call, const char* name) {
  return Input(call, name).requires_grad_();
}

std::vector<int64_t> Lengths(const Json& call) {
  return call["lengths"].get<std::vector<int64_t>>();
}

std::vector<double> Elements(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  const double* data = flat.const_data_ptr<double>();
  return {data, data + flat.numel()};
}

double Number(const at::Tensor& scalar) { return scalar.item<double>(); }

Json Kl(const Json& call) {
  const at::Tensor logprob_N = Input(call, "logprob");
  const at::Tensor ref_logprob_N = Input(call, "ref_logprob");
  const KlSums sums = SumKl(logprob_N, ref_logprob_N);
  const KlSummary summary =
      SummarizeKl(sums, call["num_sequences"].get<int64_t>());
  return {{"k1", Elements(KlK1(logprob_N, ref_logprob_N))},
          {"k2", Elements(KlK2(logprob_N, ref_logprob_N))},
          {"k3", Elements(KlK3(logprob_N, ref_logprob_N))},
          {"k1_per_sequence", summary.k1_nats_per_sequence},
          {"k3_per_sequence", summary.k3_nats_per_sequence},
          {"k1_per_token", summary.k1_nats_per_token},
          {"k3_per_token", summary.k3_nats_per_token}};
}

KlEstimator EstimatorNamed(const std::string& name) {
  if (name == "k1") return KlEstimator::kK1;
  return name == "k2" ? KlEstimator::kK2 : KlEstimator::kK3;
}

Json TokenRewards(const Json& call) {
  std::vector<int64_t> ended;
  for (const bool flag : call["ended"]) ended.push_back(flag);
  return {
      {"reward", Elements(ComputeTokenRewards(
                     {.logprob_N = Input(call, "logprob"),
                      .ref_logprob_N = Input(call, "ref_logprob"),
                      .score_S = Input(call, "score"),
                      .ended_S = at::tensor(ended, at::kLong).to(at::kBool)},
                     Lengths(call),
                     {.kl_coefficient = call["kl_coefficient"],
                      .estimator = EstimatorNamed(call["estimator"]),
                      .missing_eos_penalty = call["missing_eos_penalty"]}))}};
}

Json Gae(const Json& call) {
  const Advantages found = ComputeAdvantages(
      Input(call, "reward"), Input(call, "value"), Lengths(call),
      {.discount = call["discount"], .lambda = call["lambda"]});
  return {{"advantage", Elements(found.advantage_N)},
          {"return", Elements(found.return_N)}};
}

Json Whitened(const Json& call) {
  const at::Tensor values = Input(call, "values");
  const Moments moments = FromSums(SumMoments(values));
  return {
      {"shifted", Elements(Whiten(values, moments, /*shift_mean=*/true))},
      {"unshifted", Elements(Whiten(values, moments, /*shift_mean=*/false))}};
}

Json Explained(const Json& call) {
  const at::Tensor return_N = Input(call, "return");
  const at::Tensor residual_N = return_N - Input(call, "value");
  return {{"explained", ExplainedVariance(FromSums(SumMoments(return_N)),
                                          FromSums(SumMoments(residual_N)))}};
}

// Losses and counts per token, as the learner divides them.
Json Ppo(const Json& call) {
  const at::Tensor logprob_N = Trained(call, "logprob");
  const PpoLoss loss = ComputePpoLoss(
      {.logprob_N = logprob_N,
       .old_logprob_N = Input(call, "old_logprob"),
       .advantage_N = Input(call, "advantage")},
      {.clip_epsilon = call["clip_epsilon"], .dual_clip = call["dual_clip"]});
  const auto count = static_cast<double>(loss.num_tokens);
  (loss.loss_sum / count).backward();
  return {{"loss", Number(loss.loss_sum) / count},
          {"gradient", Elements(logprob_N.grad())},
          {"clip_share", Number(loss.clip_count) / count},
          {"approx_kl", Number(loss.approx_kl_sum) / count}};
}

Json Value(const Json& call) {
  const at::Tensor value_N = Trained(call, "value");
  const ValueLoss loss =
      ComputeValueLoss({.value_N = value_N,
                        .old_value_N = Input(call, "old_value"),
                        .return_N = Input(call, "return")},
                       call["clip_epsilon"]);
  const auto count = static_cast<double>(loss.num_tokens);
  (loss.loss_sum / count).backward();
  return {{"loss", Number(loss.loss_sum) / count},
          {"gradient", Elements(value_N.grad())},
          {"clip_share", Number(loss.clip_count) / count}};
}

Json Pairwise(const Json& call) {
  const at::Tensor chosen_P = Trained(call, "chosen");
  const at::Tensor rejected_P = Trained(call, "rejected");
  const PairwiseLoss loss = ComputePairwiseLoss(chosen_P, rejected_P);
  const auto count = static_cast<double>(loss.num_pairs);
  (loss.loss_sum / count).backward();
  return {{"loss", Number(loss.loss_sum) / count},
          {"chosen_gradient", Elements(chosen_P.grad())},
          {"rejected_gradient", Elements(rejected_P.grad())},
          {"accuracy", Number(loss.correct_count) / count}};
}

// From token rewards to advantages, by the algorithm named.
Json CreditOf(const Json& call) {
  v1::PpoConfig config;
  v1::PpoConfig::Algorithm algorithm;
  RLHF_CHECK(v1::PpoConfig::Algorithm_Parse(
      call["algorithm"].get<std::string>(), &algorithm));
  config.set_algorithm(algorithm);
  config.set_samples_per_prompt(call["group_size"]);
  config.set_discount(call["discount"]);
  config.set_gae_lambda(call["lambda"]);
  OwnRewards rewards = {.lengths = Lengths(call),
                        .reward_N = Input(call, "reward"),
                        .value_N = Input(call, "value")};
  const auto batch_size = static_cast<int64_t>(rewards.lengths.size());
  for (int64_t i = 0; i < batch_size; ++i) rewards.samples.push_back(i);
  SingleCommunicator alone;
  const absl::StatusOr<Credit> credit =
      AssignCredit(config, rewards, batch_size, alone);
  RLHF_CHECK(credit.ok()) << credit.status();
  return {{"advantage", Elements(credit->advantage_N)},
          {"trained", credit->trained}};
}

// One coefficient after another, as the KL of each update moves it.
Json Controller(const Json& call) {
  double coefficient = call["kl_coefficient"];
  std::vector<double> coefficients;
  for (const double kl : call["kl"]) {
    coefficient = NextKlCoefficient(
        coefficient, kl, call["num_rollouts"],
        {.target_nats = call["target"], .horizon_rollouts = call["horizon"]});
    coefficients.push_back(coefficient);
  }
  return {{"coefficients", coefficients}};
}

Json Schedules(const Json& call) {
  std::vector<double> rates;
  for (const int64_t seen : call["rollouts_seen"]) {
    rates.push_back(LearningRate({.learning_rate = call["learning_rate"],
                                  .warmup_rollouts = call["warmup"],
                                  .halve_every_rollouts = call["halve_every"]},
                                 seen));
  }
  return {{"rates", rates}};
}

Json Clipped(const Json& call) {
  std::vector<at::Tensor> gradients;
  for (const Json& values : call["gradients"]) {
    gradients.push_back(ToTensor(call, values));
  }
  Scale(gradients, ClipFactor(SquaredNorm(gradients), call["max_norm"]));
  return {{"gradient", Elements(at::cat(gradients))}};
}

// The parameter after each step. With "tensorflow", epsilon stands before the
// bias correction, as in the code of lm-human-preferences: that is our epsilon
// divided by sqrt(1 - beta2^t), another one in each step t.
Json AdamWSteps(const Json& call) {
  const at::Tensor parameter = Trained(call, "parameter");
  const double beta2 = call["beta2"];
  const bool as_tensorflow = call["placement"] == "tensorflow";
  std::unique_ptr<AdamW> optimizer;
  std::vector<double> trace;
  double beta2_power = 1;
  for (const Json& gradient : call["gradients"]) {
    beta2_power *= beta2;
    if (optimizer == nullptr || as_tensorflow) {
      const double epsilon = call["epsilon"];
      auto next = std::make_unique<AdamW>(
          std::vector<ParameterGroup>{
              {{{"w", parameter}}, call["learning_rate"]}},
          AdamWOptions{.beta1 = call["beta1"],
                       .beta2 = beta2,
                       .epsilon = as_tensorflow
                                      ? epsilon / std::sqrt(1 - beta2_power)
                                      : epsilon,
                       .weight_decay = call["weight_decay"]});
      if (optimizer != nullptr) {
        RLHF_CHECK(next->ImportState(optimizer->ExportState()).ok());
      }
      optimizer = std::move(next);
    }
    parameter.mutable_grad() = ToTensor(call, gradient);
    optimizer->Step();
    for (const double x : Elements(parameter)) trace.push_back(x);
  }
  return {{"trace", trace}};
}

using Function = Json (*)(const Json& call);
const std::map<std::string, Function> kFunctions = {
    {"kl", Kl},
    {"token_rewards", TokenRewards},
    {"gae", Gae},
    {"whiten", Whitened},
    {"explained_variance", Explained},
    {"ppo_loss", Ppo},
    {"value_loss", Value},
    {"pairwise_loss", Pairwise},
    {"credit", CreditOf},
    {"kl_controller", Controller},
    {"schedule", Schedules},
    {"clip", Clipped},
    {"adamw", AdamWSteps},
};

void Answer(const std::string& line) {
  const absl::StatusOr<Json> call = ParseJson(line);
  RLHF_CHECK(call.ok()) << call.status();
  const auto function = kFunctions.find((*call)["function"]);
  RLHF_CHECK(function != kFunctions.end()) << line.substr(0, 100);
  std::cout << DumpJson(function->second(*call)) << '\n';
}

}  // namespace
}  // namespace rlhf

int main() {
  std::string line;
  while (std::getline(std::cin, line)) rlhf::Answer(line);
  return 0;
}
