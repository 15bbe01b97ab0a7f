#include "trainer/learner_models.h"

#include <ATen/TensorOperators.h>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class LearnerModelsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(dir_ / "model", 1));
    ASSERT_OK(WriteTinyPm(dir_ / "pm", 2));
    config_.set_initial_policy(dir_ / "model");
  }

  const TempDir dir_;
  v1::RunConfig config_;
};

TEST_F(LearnerModelsTest, ASharedCriticNeedsNoModel) {
  ASSERT_OK_AND_ASSIGN(const auto models, LoadLearnerModels(config_));
  EXPECT_FALSE(models.critic.has_value());
}

TEST_F(LearnerModelsTest, ACriticFromTheInitialPolicyHasItsTrunkAndNoScores) {
  config_.mutable_ppo()->set_critic(v1::PpoConfig::SEPARATE);
  ASSERT_OK_AND_ASSIGN(const auto models, LoadLearnerModels(config_));
  ASSERT_TRUE(models.critic.has_value());
  EXPECT_EQ(models.critic->config().num_layers,
            models.policy.config().num_layers);
  const NamedTensors& weights = models.critic->parameters();
  EXPECT_TRUE(weights[0].tensor.equal(models.policy.parameters()[0].tensor));
  EXPECT_EQ(weights.back().name, "score.weight");
  EXPECT_EQ(weights.back().tensor.abs().max().item<double>(), 0);
}

TEST_F(LearnerModelsTest, ACriticFromAPreferenceModelHasItsHead) {
  config_.mutable_ppo()->set_critic(v1::PpoConfig::SEPARATE);
  config_.mutable_ppo()->set_critic_model(dir_ / "pm");
  ASSERT_OK_AND_ASSIGN(const auto models, LoadLearnerModels(config_));
  EXPECT_GT(
      models.critic->parameters().back().tensor.abs().max().item<double>(), 0);
}

TEST_F(LearnerModelsTest, RefusesAPolicyWithoutALanguageHead) {
  config_.set_initial_policy(dir_ / "pm");
  EXPECT_THAT(LoadLearnerModels(config_),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("pm: not a language model")));
}

TEST_F(LearnerModelsTest, RefusesACriticThatReadsOtherTokens) {
  ASSERT_OK_AND_ASSIGN(std::string json, ReadFile(dir_ / "pm/config.json"));
  const size_t at = json.find("\"vocab_size\": 512");
  ASSERT_NE(at, std::string::npos);
  json.replace(at, 17, "\"vocab_size\": 500");
  ASSERT_OK(WriteFileAtomically(dir_ / "pm/config.json", json));
  config_.mutable_ppo()->set_critic(v1::PpoConfig::SEPARATE);
  config_.mutable_ppo()->set_critic_model(dir_ / "pm");
  EXPECT_THAT(LoadLearnerModels(config_),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("pm: a vocabulary of 500; ppo.critic_model "
                                 "must have that of the policy, 512")));
}

}  // namespace
}  // namespace rlhf
