// Passes of the models, and the way of their weights to actors.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <string>
#include <vector>

#include "core/comm/weight_snapshot.h"
#include "core/nn/activations.h"
#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/sequence_scores.h"
#include "core/nn/token_logprob.h"
#include "gmock/gmock.h"
#include "tests/cuda/cuda_test_base.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/pm_fixtures.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

// Two that begin alike, so that they share rows, and one of its own.
std::vector<std::vector<int32_t>> SequencesOf(const std::string& fixture) {
  const auto ids = NnExpected(fixture)["ids"].get<std::vector<int32_t>>();
  std::vector<int32_t> longer = ids;
  longer.insert(longer.end(), ids.begin(), ids.begin() + 4);
  return {ids, longer, {ids.rbegin(), ids.rend()}};
}

class CudaFamiliesTest : public CudaTest,
                         public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) return;
    for (auto* model : {&cpu_, &gpu_}) {
      ASSERT_OK_AND_ASSIGN(Transformer loaded,
                           LoadModel(NnFixture(GetParam())));
      *model = std::make_unique<Transformer>(std::move(loaded));
    }
    ASSERT_OK(MoveTo(device_, *gpu_));
  }

  std::unique_ptr<Transformer> cpu_, gpu_;
};

TEST_P(CudaFamiliesTest, LogitsEqualTheCpus) {
  const c10::NoGradGuard no_grad;
  const auto sequences = SequencesOf(GetParam());
  const at::Tensor expected =
      cpu_->Logits(cpu_->Forward(Pack(sequences, at::kCPU)));
  const at::Tensor found =
      gpu_->Logits(gpu_->Forward(Pack(sequences, device_)));
  EXPECT_EQ(found.device(), device_);
  EXPECT_LT(MaxDifference(found, expected), kClose);
}

// Of log-probabilities, plainly and with layers that are computed again.
TEST_P(CudaFamiliesTest, LogprobsEntropiesAndGradientsEqualTheCpus) {
  const auto sequences = SequencesOf(GetParam());
  const auto pass = [&](Transformer& model) {
    for (const NamedTensor& p : model.parameters()) {
      p.tensor.mutable_grad().reset();
      p.tensor.set_requires_grad(true);
    }
    const PackedBatch batch = Pack(sequences, model.device());
    const TokenLogprobs result =
        ComputeTokenLogprobs(model, model.Forward(batch), batch.token_T,
                             /*temperature=*/0.8, /*with_entropy=*/true);
    result.logprob_N.mean().backward();
    return result;
  };
  const TokenLogprobs expected = pass(*cpu_);
  for (const bool recompute : {false, true}) {
    gpu_->set_recompute_activations(recompute);
    const TokenLogprobs found = pass(*gpu_);
    EXPECT_LT(MaxDifference(found.logprob_N, expected.logprob_N), kClose);
    EXPECT_LT(MaxDifference(found.entropy_N, expected.entropy_N), kClose);
    double largest = 0;
    for (size_t i = 0; i < cpu_->parameters().size(); ++i) {
      const at::Tensor& wanted = cpu_->parameters()[i].tensor.grad();
      const at::Tensor& gradient = gpu_->parameters()[i].tensor.grad();
      ASSERT_TRUE(wanted.defined() && gradient.defined());
      EXPECT_LT(MaxDifference(gradient, wanted), kClose)
          << cpu_->parameters()[i].name << ", recompute " << recompute;
      largest = std::max(largest, wanted.abs().max().item<double>());
    }
    EXPECT_GT(largest, 10 * kClose) << "gradients that tell something";
  }
}

TEST_P(CudaFamiliesTest, InBfloat16TheyAreNearFloat32) {
  const c10::NoGradGuard no_grad;
  const auto sequences = SequencesOf(GetParam());
  const at::Tensor exact =
      cpu_->Logits(cpu_->Forward(Pack(sequences, at::kCPU)));
  const Transformer rounded = gpu_->Cast(at::kBFloat16);
  const at::Tensor found =
      rounded.Logits(rounded.Forward(Pack(sequences, device_)));
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_LT(MaxDifference(found, exact),
            0.1 * exact.abs().max().item<double>());
}

// What is published from a GPU is what the same weights on the CPU give.
TEST_P(CudaFamiliesTest, PublishedBytesEqualTheCpus) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const PackOptions options = {.dtype = dtype, .bucket_bytes = 4096};
    ASSERT_OK_AND_ASSIGN(const auto expected,
                         PackWeights(7, cpu_->parameters(), options));
    ASSERT_OK_AND_ASSIGN(const auto found,
                         PackWeights(7, gpu_->parameters(), options));
    EXPECT_EQ(found->manifest.xxh3(), expected->manifest.xxh3());
    ASSERT_EQ(found->buckets.size(), expected->buckets.size());
    for (size_t b = 0; b < found->buckets.size(); ++b) {
      EXPECT_TRUE(found->buckets[b].bytes() == expected->buckets[b].bytes())
          << "bucket " << b;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CudaFamiliesTest,
                         testing::Values("llama_tied", "llama_untied",
                                         "llama3_rope", "mistral", "qwen2",
                                         "qwen3"));

using CudaModelTest = CudaTest;

TEST_F(CudaModelTest, PmScoresEqualTheCpus) {
  ASSERT_OK_AND_ASSIGN(Transformer model, LoadModel(NnFixture("llama_score")));
  const auto sequences = SequencesOf("llama_score");
  ASSERT_OK_AND_ASSIGN(const std::vector<float> expected,
                       ScoreSequences(model, sequences, 64));
  ASSERT_OK_AND_ASSIGN(const at::Tensor states,
                       LastTokenActivations(model, sequences, 1, 64));
  ASSERT_OK(MoveTo(device_, model));
  ASSERT_OK_AND_ASSIGN(const std::vector<float> found,
                       ScoreSequences(model, sequences, 64));
  ASSERT_OK_AND_ASSIGN(const at::Tensor of_gpu,
                       LastTokenActivations(model, sequences, 1, 64));
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], kClose);
  }
  EXPECT_LT(MaxDifference(of_gpu, states), kClose);
}

TEST_F(CudaModelTest, APmLearnsAsOnTheCpu) {
  const std::vector<PmExample> pairs = PlantedPairs(32, 1);
  PmTrainerOptions options = QuickTraining();
  options.num_epochs = 1;
  const auto go_on = [](double) { return true; };
  Transformer cpu = MakeUntrainedPm(), gpu = MakeUntrainedPm();
  ASSERT_OK(MoveTo(device_, gpu));
  ASSERT_OK_AND_ASSIGN(const PmTrainingStats expected,
                       TrainPreferenceModel(cpu, pairs, options, go_on));
  ASSERT_OK_AND_ASSIGN(const PmTrainingStats found,
                       TrainPreferenceModel(gpu, pairs, options, go_on));
  EXPECT_EQ(found.num_steps, expected.num_steps);
  EXPECT_NEAR(found.first_loss, expected.first_loss, kClose);
  EXPECT_NEAR(found.last_loss, expected.last_loss, 1e-2);
  EXPECT_EQ(gpu.device(), device_);
}

// 10 bits of mantissa would be off by about 1e-2 here.
TEST_F(CudaModelTest, Float32IsNotRoundedToTf32) {
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  const at::Tensor a = at::randn({512, 512}), b = at::randn({512, 512});
  const at::Tensor exact = at::matmul(a.to(at::kDouble), b.to(at::kDouble));
  EXPECT_LT(MaxDifference(at::matmul(a.to(device_), b.to(device_)), exact),
            1e-3);
}

TEST_F(CudaModelTest, AGpuThatIsNotThereIsRefused) {
  EXPECT_THAT(FindDevice("actor.device", "cuda:99"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("actor.device: GPU 99 is wanted")));
}

}  // namespace
}  // namespace rlhf
