#include "trainer/critic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/zeros.h>

#include "core/nn/model_directory.h"
#include "core/nn/sequence_scores.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

const std::vector<int32_t> kPrompt = {5, 6, 7};
const std::vector<int32_t> kResponse = {40, 41, 2};
const std::vector<PromptResponse> kDialogues = {
    {.prompt_ids = &kPrompt, .response_ids = &kResponse}};

TEST(CriticTest, ValuesOfAPreferenceModelAreItsScoresBeforeEachToken) {
  const TempDir dir;
  ASSERT_OK(WriteTinyPm(dir / "pm", 3));
  ASSERT_OK_AND_ASSIGN(const Transformer pm, LoadModel(dir / "pm"));
  const at::Tensor expected =
      LastTokenScores(pm, std::vector<std::vector<int32_t>>{
                              {5, 6, 7}, {5, 6, 7, 40}, {5, 6, 7, 40, 41}});

  const Critic critic(&pm);

  EXPECT_TRUE(at::allclose(critic.Values(kDialogues, at::Tensor()), expected,
                           1e-5, 1e-6));
}

TEST(CriticTest, AHeadOnThePolicyStartsAtZero) {
  const Transformer policy = MakeTinyModel(1);
  const Critic critic(MakeValueHead(policy.config().hidden_size, at::kCPU));
  const ResponseStates states = ForwardResponses(policy, kDialogues);
  EXPECT_TRUE(critic.shares_policy());
  EXPECT_TRUE(at::allclose(critic.Values(kDialogues, states.hidden_ND),
                           at::zeros({3})));
}

}  // namespace
}  // namespace rlhf
