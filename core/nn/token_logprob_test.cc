#include "core/nn/token_logprob.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(TokenLogprobTest, EqualsTheLogSoftmaxOfTransformersLogits) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  const Json expected = NnExpected("llama_tied");
  const auto ids = expected["ids"].get<std::vector<int32_t>>();
  const auto hidden = model.Forward(Pack({ids}, at::kCPU)).narrow(0, 3, 2);

  // The states at positions 3 and 4 predict tokens 4 and 5.
  const auto target =
      at::tensor({static_cast<int64_t>(ids[4]), static_cast<int64_t>(ids[5])});
  const TokenLogprobs result = ComputeTokenLogprobs(
      model, hidden, target, /*temperature=*/0.7, /*with_entropy=*/true);

  for (int i = 0; i < 2; ++i) {
    const auto logits = expected["logits"][3 + i].get<std::vector<double>>();
    double sum = 0, entropy = 0;
    for (const double logit : logits) sum += std::exp(logit / 0.7);
    for (const double logit : logits) {
      const double p = std::exp(logit / 0.7) / sum;
      entropy -= p * std::log(p);
    }
    EXPECT_NEAR(result.logprob_N[i].item<double>(),
                logits[ids[4 + i]] / 0.7 - std::log(sum), 1e-4);
    EXPECT_NEAR(result.entropy_N[i].item<double>(), entropy, 1e-4);
  }
}

// More rows than one slice holds, and gradients into both inputs.
TEST(TokenLogprobTest, GradientsEqualThoseOfALogSoftmaxOverAllRows) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  constexpr int64_t kRows = 300;
  const auto floats = at::TensorOptions(at::kFloat);
  const at::Tensor hidden =
      at::randn({kRows, model.config().hidden_size}, floats)
          .requires_grad_(true);
  const at::Tensor target = at::randint(model.config().vocab_size, {kRows},
                                        at::TensorOptions(at::kLong));
  const at::Tensor weight = model.head_weight();
  weight.set_requires_grad(true);
  const at::Tensor upstream = at::randn({kRows}, floats);

  const at::Tensor plain = at::log_softmax(model.Logits(hidden) / 0.7, -1)
                               .gather(1, target.unsqueeze(1))
                               .squeeze(1);
  (plain * upstream).sum().backward();
  const at::Tensor hidden_gradient = hidden.grad().clone();
  const at::Tensor weight_gradient = weight.grad().clone();
  hidden.mutable_grad().reset();
  weight.mutable_grad().reset();

  const at::Tensor sliced =
      ComputeTokenLogprobs(model, hidden, target, 0.7).logprob_N;
  (sliced * upstream).sum().backward();
  EXPECT_LT((sliced - plain).abs().max().item<double>(), 1e-5);
  EXPECT_LT((hidden.grad() - hidden_gradient).abs().max().item<double>(), 1e-5);
  EXPECT_LT((weight.grad() - weight_gradient).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace rlhf
