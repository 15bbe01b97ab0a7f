// The generation engine, whose passes are others than the learner's: prefill,
// prompts in chunks, decoding over a cache.
#include <map>
#include <memory>
#include <vector>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/sampler.h"
#include "tests/cuda/cuda_test_base.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

constexpr int kNewTokens = 12;

class CudaGenerationTest : public CudaTest,
                           public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) return;
    ids_ = NnExpected(GetParam())["ids"].get<std::vector<int32_t>>();
    options_ = {.max_batch = 3,
                .max_tokens = static_cast<int64_t>(ids_.size()) + kNewTokens};
  }

  std::shared_ptr<const Transformer> Model(at::Device device) const {
    absl::StatusOr<Transformer> model = LoadModel(NnFixture(GetParam()));
    EXPECT_OK(model);
    EXPECT_OK(MoveTo(device, *model));
    return std::make_shared<const Transformer>(*std::move(model));
  }

  // Five greedy responses to prompts of several lengths; more than run at once.
  std::map<uint64_t, EngineResult> Respond(at::Device device) const {
    GenerationEngine engine(Model(device), options_);
    for (size_t i = 0; i < 5; ++i) {
      const size_t size = std::max<size_t>(1, ids_.size() - i);
      EXPECT_OK(engine.Add({.id = i,
                            .prompt_ids = {ids_.end() - size, ids_.end()},
                            .stream = i,
                            .max_new_tokens = kNewTokens - static_cast<int>(i),
                            .temperature = 0}));
    }
    return Drain(engine);
  }

  void ExpectGpuGeneratesAsTheCpu() const {
    const auto expected = Respond(at::kCPU);
    const auto found = Respond(device_);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [id, wanted] : expected) {
      const EngineResult& result = found.at(id);
      EXPECT_EQ(result.token_ids, wanted.token_ids) << "request " << id;
      ASSERT_EQ(result.logprobs.size(), wanted.logprobs.size());
      for (size_t i = 0; i < wanted.logprobs.size(); ++i) {
        EXPECT_NEAR(result.logprobs[i], wanted.logprobs[i], kClose);
      }
    }
  }

  std::vector<int32_t> ids_;
  GenerationEngine::Options options_;
};

TEST_P(CudaGenerationTest, GreedyResponsesEqualTheCpus) {
  ExpectGpuGeneratesAsTheCpu();
}

TEST_P(CudaGenerationTest, PromptsInChunksToo) {
  options_.max_prefill_tokens = 3;
  ExpectGpuGeneratesAsTheCpu();
}

TEST_P(CudaGenerationTest, ACacheThatIsCutAnewToo) {
  options_.max_cache_tokens = 2 * options_.max_tokens;
  ExpectGpuGeneratesAsTheCpu();
}

INSTANTIATE_TEST_SUITE_P(Families, CudaGenerationTest,
                         testing::Values("llama_tied", "qwen2", "qwen3"));

using CudaSamplerTest = CudaTest;

TEST_F(CudaSamplerTest, EqualLogitsGiveEqualTokensWhereverTheyAre) {
  const auto model = TinyPolicy(1);
  const at::Tensor logits = model->parameters()[0].tensor.narrow(0, 0, 8) * 40;
  std::vector<double> uniforms;
  for (int row = 0; row < 8; ++row) uniforms.push_back(0.1 + 0.1 * row);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor on_cpu = logits.to(dtype);
    const auto expected = SampleTokens(on_cpu, 0.7, uniforms);
    const auto found = SampleTokens(on_cpu.to(device_), 0.7, uniforms);
    for (size_t row = 0; row < expected.size(); ++row) {
      EXPECT_EQ(found[row].token_id, expected[row].token_id);
      EXPECT_EQ(found[row].logprob, expected[row].logprob);
      EXPECT_EQ(found[row].model_logprob, expected[row].model_logprob);
    }
  }
}

}  // namespace
}  // namespace rlhf
