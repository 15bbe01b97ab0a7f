// What is learnt, by each algorithm and with adapters.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

// How much likelier token 40 is than token 41 after a prompt.
double LogitGap(const PpoTrainer& trainer) {
  const at::Tensor hidden = trainer.policy().Forward(
      Pack(std::vector<std::vector<int32_t>>{{5, 6, 7}}, at::kCPU));
  const at::Tensor logits = trainer.policy().Logits(hidden[2].unsqueeze(0));
  return (logits[0][40] - logits[0][41]).item<double>();
}

// Two answers to one question, the first good, the second bad; returns how
// much likelier the good one's token became against the bad one's.
double LearnToPrefer(const PpoTrainer::Options& options) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(options, &alone);
  std::vector<PpoSample> batch;
  for (const int32_t token : {40, 41}) {
    batch.push_back({.prompt_ids = {5, 6, 7},
                     .response_ids = {token, token, 2},
                     .behaviour_logprobs = {-6, -6, -6},
                     .score = token == 40 ? 1.0 : -1.0,
                     .ended = true});
  }
  const double before = LogitGap(trainer);
  for (int64_t update = 1; update <= 10; ++update) {
    EXPECT_OK(trainer.Update(batch, update));
  }
  return LogitGap(trainer) - before;
}

TEST(AlgorithmsTest, EveryAlgorithmMakesTheBetterAnswerLikelier) {
  for (const auto algorithm :
       {v1::PpoConfig::PPO, v1::PpoConfig::GRPO, v1::PpoConfig::RLOO,
        v1::PpoConfig::REINFORCE_PP, v1::PpoConfig::BEST_OF_K}) {
    PpoTrainer::Options options = MakeOptions();
    options.ppo.set_algorithm(algorithm);
    options.ppo.set_samples_per_prompt(2);
    EXPECT_GT(LearnToPrefer(options), 0.1)
        << v1::PpoConfig::Algorithm_Name(algorithm);
  }
}

// However strange the reference finds it: with beta 10 the penalty would decide
// at least one of the two.
TEST(AlgorithmsTest, RejectionSamplingImitatesTheHigherScore) {
  for (const int32_t better : {40, 41}) {
    SingleCommunicator alone;
    PpoTrainer::Options options = MakeOptions();
    options.ppo.set_algorithm(v1::PpoConfig::BEST_OF_K);
    options.ppo.set_samples_per_prompt(2);
    options.ppo.set_kl_coefficient(10);
    PpoTrainer trainer(
        {.policy = MakeTinyModel(1),
         .reference = std::make_shared<const Transformer>(MakeTinyModel(2)),
         .critic = std::nullopt},
        options, &alone);
    std::vector<PpoSample> batch;
    for (const int32_t token : {40, 41}) {
      batch.push_back({.prompt_ids = {5, 6, 7},
                       .response_ids = {token, 2},
                       .behaviour_logprobs = {-6, -6},
                       .score = token == better ? 1 : 0.99,
                       .ended = true});
    }
    const double before = LogitGap(trainer);
    ASSERT_OK(trainer.Update(batch, 1).status());
    const double gain = LogitGap(trainer) - before;
    EXPECT_GT(better == 40 ? gain : -gain, 0) << better;
  }
}

PpoTrainer::Options WithAdapters(PpoTrainer::Options options) {
  options.lora = {.rank = 4, .alpha = 8};
  options.ppo.set_learning_rate(1e-2);
  return options;
}

TEST(AdaptersTest, TheBetterAnswerBecomesLikelier) {
  EXPECT_GT(LearnToPrefer(WithAdapters(MakeOptions())), 0.1);
  EXPECT_GT(LearnToPrefer(WithAdapters(WithOwnCritic(MakeOptions()))), 0.1);
}

TEST(AdaptersTest, TheFirstUpdateHasNoKlAndTheNextOnesHave) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(WithAdapters(MakeOptions()), &alone);
  ASSERT_OK_AND_ASSIGN(const auto first, trainer.Update(MakeBatch(1), 1));
  EXPECT_NEAR(first.kl_k1_nats_per_sequence(), 0, 1e-6);
  ASSERT_OK_AND_ASSIGN(const auto second, trainer.Update(MakeBatch(2), 2));
  EXPECT_NE(second.kl_k1_nats_per_sequence(), 0);
}

TEST(AdaptersTest, ACheckpointOfAdaptersGoesOnBitForBit) {
  SingleCommunicator alone;
  const PpoTrainer::Options options =
      WithAdapters(WithOwnCritic(MakeOptions()));
  PpoTrainer a = MakeTrainer(options, &alone);
  ASSERT_OK(a.Update(MakeBatch(1), 1).status());
  ASSERT_OK_AND_ASSIGN(const LearnerState state, GatherLearner(a));
  PpoTrainer b = MakeTrainer(options, &alone);
  ASSERT_OK(b.Import(state.parameters, state.optimizer));
  ASSERT_OK_AND_ASSIGN(const auto one, a.Update(MakeBatch(2), 2));
  ASSERT_OK_AND_ASSIGN(const auto two, b.Update(MakeBatch(2), 2));
  EXPECT_EQ(one.policy_loss(), two.policy_loss());
  EXPECT_EQ(one.parameter_hash(), two.parameter_hash());
  // What is published is the whole model that the passes run on.
  ASSERT_OK_AND_ASSIGN(const NamedTensors published, b.GatherPolicy());
  ASSERT_EQ(published.size(), b.policy().parameters().size());
  for (size_t i = 0; i < published.size(); ++i) {
    EXPECT_EQ(published[i].name, b.policy().parameters()[i].name);
    EXPECT_TRUE(
        at::equal(published[i].tensor, b.policy().parameters()[i].tensor));
  }
  // Weights that are not adapters are no adapters.
  PpoTrainer whole = MakeTrainer(WithOwnCritic(MakeOptions()), &alone);
  EXPECT_THAT(whole.Import(state.parameters, state.optimizer),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("is missing")));
}

}  // namespace
}  // namespace rlhf
