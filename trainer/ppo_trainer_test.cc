#include "trainer/ppo_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

void ExpectTwoRanksGiveTheLossesOfOne(const PpoTrainer::Options& options) {
  SingleCommunicator alone;
  const std::vector<v1::UpdateReport> expected = Updates(options, &alone, 20);

  std::vector<v1::UpdateReport> actual[2];
  OnTwoRanks(absl::Seconds(60), [&](Communicator& communicator) {
    actual[communicator.rank()] = Updates(options, &communicator, 20);
  });

  for (const auto& reports : actual) {
    ASSERT_EQ(reports.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(reports[i].learning_rate(), expected[i].learning_rate());
      EXPECT_NEAR(reports[i].policy_loss(), expected[i].policy_loss(), 1e-5);
      EXPECT_NEAR(reports[i].value_loss(), expected[i].value_loss(), 1e-5);
      EXPECT_NEAR(reports[i].pretraining_loss_nats_per_token(),
                  expected[i].pretraining_loss_nats_per_token(), 1e-5);
      EXPECT_NEAR(reports[i].kl_k1_nats_per_sequence(),
                  expected[i].kl_k1_nats_per_sequence(), 1e-4);
      EXPECT_NEAR(reports[i].behaviour_weight_mean(),
                  expected[i].behaviour_weight_mean(), 1e-4);
      EXPECT_NEAR(reports[i].behaviour_effective_share(),
                  expected[i].behaviour_effective_share(), 1e-4);
    }
  }
}

TEST(PpoTrainerTest, TheFirstPassStartsFromRatioOneAndNoKl) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_num_epochs(1);
  options.ppo.set_num_minibatches(1);
  PpoTrainer trainer = MakeTrainer(options, &alone);

  ASSERT_OK_AND_ASSIGN(const v1::UpdateReport report,
                       trainer.Update(MakeBatch(1), 1));

  EXPECT_NEAR(report.approx_kl_nats(), 0, 1e-9);
  EXPECT_EQ(report.clip_share(), 0);
  EXPECT_NEAR(report.kl_k1_nats_per_sequence(), 0, 1e-6);
  EXPECT_THAT(trainer.response_kl_nats(),
              AllOf(SizeIs(MakeBatch(1).size()), Each(DoubleNear(0, 1e-6))));
  EXPECT_GT(report.gradient_norm(), 0);
  EXPECT_GT(report.entropy_nats_per_token(), 0);
}

// Every minibatch before the first step that changes anything: the ratios are
// the rounding of a forward pass over other batch mates. k3 is half the square
// of a small log-ratio.
TEST(PpoTrainerTest, UntilThePolicyMovesEveryRatioIsOne) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_learning_rate(0);
  options.ppo.set_num_minibatches(3);
  PpoTrainer trainer = MakeTrainer(options, &alone);

  ASSERT_OK_AND_ASSIGN(const v1::UpdateReport report,
                       trainer.Update(MakeBatch(1), 1));

  EXPECT_LE(report.approx_kl_nats(), 1e-6 * 1e-6 / 2);
  EXPECT_EQ(report.clip_share(), 0);
  EXPECT_NEAR(report.ratio_mean(), 1, 1e-6);
  EXPECT_NEAR(report.ratio_variance(), 0, 1e-11);
  EXPECT_EQ(report.value_clip_share(), 0);
  // What the actors said is another matter, with a metric of its own.
  EXPECT_GT(report.behaviour_mismatch_max_nats(), 0.01);
}

TEST(PpoTrainerTest, RewardedTokensBecomeLikelier) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(MakeOptions(), &alone);
  // Two answers to one question: the first is good, the second bad.
  std::vector<PpoSample> batch;
  for (const int32_t token : {40, 41}) {
    batch.push_back({.prompt_ids = {5, 6, 7},
                     .response_ids = {token, token, 2},
                     .behaviour_logprobs = {-6, -6, -6},
                     .score = token == 40 ? 1.0 : -1.0,
                     .ended = true});
  }
  double first_loss = 0, last_kl = 0;
  for (int64_t update = 1; update <= 10; ++update) {
    ASSERT_OK_AND_ASSIGN(const v1::UpdateReport report,
                         trainer.Update(batch, update));
    if (update == 1) first_loss = report.value_loss();
    last_kl = report.kl_k3_nats_per_sequence();
    if (update == 10) {
      EXPECT_LT(report.value_loss(), first_loss);
    }
  }
  // The policy moved away from the reference.
  EXPECT_GT(last_kl, 0.01);
}

TEST(PpoTrainerTest, AStepWhoseGradientIsNotFiniteIsLeftOutAndCounted) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_algorithm(v1::PpoConfig::RLOO);
  options.ppo.set_samples_per_prompt(3);
  options.ppo.set_num_minibatches(6);
  PpoTrainer trainer = MakeTrainer(options, &alone);
  std::vector<PpoSample> batch = MakeBatch(1);
  // It spoils the advantages of its own group, and no other's.
  batch[0].score = std::numeric_limits<double>::infinity();

  ASSERT_OK_AND_ASSIGN(const v1::UpdateReport report, trainer.Update(batch, 1));

  EXPECT_EQ(report.num_skipped_steps(), 3 * options.ppo.num_epochs());
  EXPECT_TRUE(std::isfinite(report.policy_loss()));
  EXPECT_GT(report.gradient_norm(), 0);
  for (const NamedTensor& p : trainer.ExportParameters()) {
    EXPECT_TRUE(p.tensor.isfinite().all().item<bool>()) << p.name;
  }
}

// Weights and optimizer state that later steps do not change.
NamedTensors CopyOfAll(const PpoTrainer& trainer) {
  NamedTensors copies;
  for (const NamedTensors& tensors :
       {trainer.ExportParameters(), trainer.ExportOptimizer()}) {
    for (const NamedTensor& t : tensors) {
      copies.push_back({t.name, t.tensor.detach().clone()});
    }
  }
  return copies;
}

void ExpectUnchanged(const PpoTrainer& trainer, const NamedTensors& before) {
  const NamedTensors now = CopyOfAll(trainer);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(now[i].tensor, before[i].tensor)) << before[i].name;
  }
}

TEST(PpoTrainerTest,
     AnUpdateWithoutAnyFiniteGradientDivergedAndChangesNothing) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.learner.set_on_divergence(v1::LearnerConfig::SKIP);
  options.ppo.set_kl_target_nats(1);
  PpoTrainer trainer = MakeTrainer(options, &alone);
  ASSERT_OK(trainer.Update(MakeBatch(1), 1).status());
  EXPECT_EQ(trainer.divergence().action, Divergence::Action::kContinue);
  const NamedTensors before = CopyOfAll(trainer);
  const double kl_coefficient = trainer.kl_coefficient();
  std::vector<PpoSample> batch = MakeBatch(2);
  batch[0].score = std::numeric_limits<double>::quiet_NaN();

  ASSERT_OK_AND_ASSIGN(const auto report, trainer.Update(batch, 2));

  EXPECT_EQ(trainer.divergence().action, Divergence::Action::kSkip);
  EXPECT_THAT(trainer.divergence().reason,
              HasSubstr("none of its 4 optimizer steps"));
  EXPECT_EQ(report.update(), 2);
  EXPECT_EQ(report.num_skipped_steps(), 4);
  ExpectUnchanged(trainer, before);
  EXPECT_EQ(trainer.kl_coefficient(), kl_coefficient);
}

TEST(PpoTrainerTest, AKlAboveTheLimitIsFoundBeforeTheFirstStep) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_learning_rate(0);
  options.learner.set_max_kl_nats_per_sequence(1e-3);
  PpoTrainer trainer(
      {.policy = MakeTinyModel(1),
       .reference = std::make_shared<const Transformer>(MakeTinyModel(2)),
       .critic = std::nullopt},
      options, &alone);
  // The batches were not sampled by this policy, so an estimate may be
  // negative: one of them is not.
  for (int64_t update = 1; update <= 20; ++update) {
    ASSERT_OK(trainer.Update(MakeBatch(update), update).status());
    if (trainer.divergence().action != Divergence::Action::kContinue) break;
  }
  EXPECT_EQ(trainer.divergence().action, Divergence::Action::kStop);
  EXPECT_TRUE(trainer.divergence().policy_is_bad);
  EXPECT_EQ(trainer.steps_of_update(), 0);
}

TEST(PpoTrainerTest, AnUpdateThatIsGivenUpBeforeItsFirstStepChangesNothing) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  // A step takes several micro-batches; the second one is not made.
  options.micro_batch_tokens = 16;
  int asked = 0;
  options.give_up = [&asked] { return ++asked == 2; };
  PpoTrainer trainer = MakeTrainer(options, &alone);
  const NamedTensors before = CopyOfAll(trainer);

  EXPECT_THAT(trainer.Update(MakeBatch(1), 1),
              StatusIs(absl::StatusCode::kCancelled,
                       HasSubstr("update 1 was given up")));

  EXPECT_EQ(trainer.steps_of_update(), 0);
  ExpectUnchanged(trainer, before);
  // The half-made gradient is gone: the update is the one it would have been.
  ASSERT_OK_AND_ASSIGN(const auto again, trainer.Update(MakeBatch(1), 1));
  options.give_up = [] { return false; };
  PpoTrainer calm = MakeTrainer(options, &alone);
  ASSERT_OK_AND_ASSIGN(const auto expected, calm.Update(MakeBatch(1), 1));
  EXPECT_EQ(again.policy_loss(), expected.policy_loss());
  ExpectUnchanged(trainer, CopyOfAll(calm));
}

TEST(PpoTrainerTest, AfterAStepItTellsThatTheWeightsAreOfNoCut) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.micro_batch_tokens = 10'000;
  int asked = 0;
  options.give_up = [&asked] { return ++asked == 3; };
  PpoTrainer trainer = MakeTrainer(options, &alone);
  EXPECT_THAT(trainer.Update(MakeBatch(1), 1),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("given up")));
  EXPECT_EQ(trainer.steps_of_update(), 2);
}

TEST(PpoTrainerTest, ACriticOfItsOwnLeavesThePolicyAlone) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_num_epochs(1);
  options.ppo.set_num_minibatches(1);
  // The policy as it would learn without any value loss.
  options.ppo.set_value_coefficient(0);
  PpoTrainer shared = MakeTrainer(options, &alone);
  options.ppo.set_value_coefficient(10);
  PpoTrainer separate = MakeTrainer(WithOwnCritic(options), &alone);
  ASSERT_OK_AND_ASSIGN(const auto a, shared.Update(MakeBatch(1), 1));
  ASSERT_OK_AND_ASSIGN(const auto b, separate.Update(MakeBatch(1), 1));
  // Both critics begin at zero.
  EXPECT_EQ(a.policy_loss(), b.policy_loss());
  EXPECT_EQ(a.value_loss(), b.value_loss());
  for (size_t i = 0; i < shared.policy().parameters().size(); ++i) {
    const NamedTensor& p = shared.policy().parameters()[i];
    EXPECT_TRUE(at::equal(p.tensor, separate.policy().parameters()[i].tensor))
        << p.name;
  }
}

TEST(PpoTrainerTest, ACriticOfItsOwnLearnsAtItsOwnRate) {
  SingleCommunicator alone;
  const auto explained = [&](double critic_rate) {
    PpoTrainer::Options options = WithOwnCritic(MakeOptions());
    options.ppo.set_learning_rate(1e-6);
    options.ppo.set_critic_learning_rate(critic_rate);
    PpoTrainer trainer = MakeTrainer(options, &alone);
    double variance = 0;
    for (int64_t update = 1; update <= 15; ++update) {
      const auto report = trainer.Update(MakeBatch(1), update);
      EXPECT_OK(report);
      variance = report->value_explained_variance();
    }
    return variance;
  };
  EXPECT_GT(explained(3e-3), 0.5);
  EXPECT_LT(explained(0), 0.1);
}

// The weights after one update on `batch`, with `cap`.
std::string HashWithCap(std::vector<PpoSample> batch, double cap) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_behaviour_weight_cap(cap);
  PpoTrainer trainer = MakeTrainer(options, &alone);
  const auto report = trainer.Update(batch, 1);
  EXPECT_OK(report);
  return report->parameter_hash();
}

// Staleness 0 is PPO, whatever the actor's arithmetic made of the numbers.
TEST(PpoTrainerTest, FreshSamplesAreTrainedToTheSameBitWhateverTheCap) {
  const std::string plain = HashWithCap(MakeBatch(1), 0);
  EXPECT_EQ(plain.size(), 16);
  EXPECT_EQ(HashWithCap(MakeBatch(1), 2), plain);
  EXPECT_EQ(HashWithCap(MakeBatch(1), 0.1), plain);
  std::vector<PpoSample> others = MakeBatch(1);
  others[0].behaviour_logprobs.assign(others[0].response_ids.size(), -5);
  EXPECT_EQ(HashWithCap(others, 2), plain);
  // And so are stale ones without the correction.
  EXPECT_EQ(HashWithCap(MakeBatch(1, /*max_staleness=*/2), 0), plain);
  EXPECT_NE(HashWithCap(MakeBatch(1, /*max_staleness=*/2), 2), plain);
}

TEST(PpoTrainerTest, StaleTokensWeighWhatTheCapAllows) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_num_epochs(1);
  options.ppo.set_num_minibatches(1);
  options.ppo.set_value_coefficient(0);
  PpoTrainer fresh = MakeTrainer(options, &alone);
  // Every token is far likelier than when it was sampled.
  options.ppo.set_behaviour_weight_cap(0.25);
  PpoTrainer stale = MakeTrainer(options, &alone);
  std::vector<PpoSample> batch = MakeBatch(1);
  ASSERT_OK_AND_ASSIGN(const auto plain, fresh.Update(batch, 1));
  for (PpoSample& sample : batch) {
    sample.staleness = 1;
    sample.behaviour_logprobs.assign(sample.response_ids.size(), -20);
  }
  ASSERT_OK_AND_ASSIGN(const auto capped, stale.Update(batch, 1));
  EXPECT_NEAR(capped.gradient_norm(), 0.25 * plain.gradient_norm(),
              1e-5 * plain.gradient_norm());
  EXPECT_EQ(capped.behaviour_weight_mean(), 0.25);
  EXPECT_EQ(capped.behaviour_weight_capped_share(), 1);
  EXPECT_NEAR(capped.behaviour_effective_share(), 1, 1e-12);
  EXPECT_EQ(plain.behaviour_weight_mean(), 1);
  EXPECT_EQ(plain.behaviour_weight_capped_share(), 0);
  EXPECT_EQ(plain.behaviour_effective_share(), 1);
}

// Text that is all one sentence.
std::shared_ptr<const PretrainingMix> OneSentence() {
  const TempDir dir;
  const auto tokenizer = Tokenizer::Load(TinyTokenizer());
  EXPECT_OK(tokenizer);
  EXPECT_OK(WriteFileAtomically(
      dir / "text", "{\"text\": \"the old cat sat on the mat\"}\n"));
  auto mix = PretrainingMix::Load(dir / "text", **tokenizer, 64);
  EXPECT_OK(mix);
  return std::make_shared<const PretrainingMix>(*std::move(mix));
}

TEST(PpoTrainerTest, PretrainingTextIsLearntBesideTheReward) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.pretraining = OneSentence();
  PpoTrainer trainer = MakeTrainer(options, &alone);
  std::vector<double> losses;
  for (int64_t update = 1; update <= 8; ++update) {
    ASSERT_OK_AND_ASSIGN(const auto report,
                         trainer.Update(MakeBatch(update), update));
    losses.push_back(report.pretraining_loss_nats_per_token());
  }
  EXPECT_LT(losses.back(), 0.8 * losses.front());
}

TEST(PpoTrainerTest, TwoRanksWithPretrainingTextGiveTheLossesOfOne) {
  PpoTrainer::Options options = MakeOptions();
  options.pretraining = OneSentence();
  options.ppo.mutable_pretraining_mix()->set_sequences_per_minibatch(3);
  ExpectTwoRanksGiveTheLossesOfOne(options);
}

TEST(PpoTrainerTest, AnImportedStateGoesOnBitForBit) {
  SingleCommunicator alone;
  PpoTrainer a = MakeTrainer(MakeOptions(), &alone);
  ASSERT_OK(a.Update(MakeBatch(1), 1).status());
  PpoTrainer b = MakeTrainer(MakeOptions(), &alone);
  ASSERT_OK(b.Import(a.ExportParameters(), a.ExportOptimizer()));

  ASSERT_OK_AND_ASSIGN(const auto one, a.Update(MakeBatch(2), 2));
  ASSERT_OK_AND_ASSIGN(const auto two, b.Update(MakeBatch(2), 2));

  EXPECT_EQ(one.policy_loss(), two.policy_loss());
  for (size_t i = 0; i < a.ExportParameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.ExportParameters()[i].tensor,
                          b.ExportParameters()[i].tensor));
  }
}

TEST(PpoTrainerTest, Bfloat16TakesNearlyTheSameStepAndKeepsFloat32Weights) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  PpoTrainer full = MakeTrainer(options, &alone);
  options.dtype = at::kBFloat16;
  PpoTrainer half = MakeTrainer(options, &alone);
  ASSERT_OK_AND_ASSIGN(const auto a, full.Update(MakeBatch(1), 1));
  ASSERT_OK_AND_ASSIGN(const auto b, half.Update(MakeBatch(1), 1));
  // bfloat16 has eight bits: a third of a percent.
  EXPECT_NEAR(a.policy_loss(), b.policy_loss(), 0.02);
  EXPECT_NEAR(a.value_loss(), b.value_loss(), 0.02 * a.value_loss());
  EXPECT_NEAR(a.gradient_norm(), b.gradient_norm(), 0.05 * a.gradient_norm());
  EXPECT_NEAR(a.entropy_nats_per_token(), b.entropy_nats_per_token(), 0.01);
  for (const NamedTensor& p : half.ExportParameters()) {
    EXPECT_EQ(p.tensor.scalar_type(), at::kFloat) << p.name;
  }
}

TEST(PpoTrainerTest, Bfloat16GoesOnBitForBitAfterAnImport) {
  SingleCommunicator alone;
  PpoTrainer::Options options = WithOwnCritic(MakeOptions());
  options.dtype = at::kBFloat16;
  PpoTrainer a = MakeTrainer(options, &alone);
  ASSERT_OK(a.Update(MakeBatch(1), 1).status());
  PpoTrainer b = MakeTrainer(options, &alone);
  ASSERT_OK(b.Import(a.ExportParameters(), a.ExportOptimizer()));
  ASSERT_OK_AND_ASSIGN(const auto one, a.Update(MakeBatch(2), 2));
  ASSERT_OK_AND_ASSIGN(const auto two, b.Update(MakeBatch(2), 2));
  EXPECT_EQ(one.policy_loss(), two.policy_loss());
}

TEST(PpoTrainerTest, RefusesAStateThatDoesNotFit) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(MakeOptions(), &alone);
  NamedTensors parameters = trainer.ExportParameters();
  parameters.pop_back();
  EXPECT_THAT(trainer.Import(parameters, trainer.ExportOptimizer()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("value_head.bias")));
}

TEST(PpoTrainerTest, AnOrderToSetTheKlCoefficientIsFollowedOnce) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(MakeOptions(), &alone);
  trainer.OrderKlCoefficient(0.5, /*order=*/3);
  EXPECT_EQ(trainer.kl_coefficient(), 0.5);
  // A controller has changed it since.
  trainer.RestoreKlCoefficient(0.7, trainer.kl_order());
  for (const int64_t order : {3, 2}) trainer.OrderKlCoefficient(0.5, order);
  EXPECT_EQ(trainer.kl_coefficient(), 0.7);
  trainer.OrderKlCoefficient(0.6, /*order=*/4);
  EXPECT_EQ(trainer.kl_coefficient(), 0.6);
}

TEST(PpoTrainerTest, AnOrderedLearningRateIsThatOfTheUpdate) {
  SingleCommunicator alone;
  PpoTrainer trainer = MakeTrainer(MakeOptions(), &alone);
  ASSERT_OK_AND_ASSIGN(
      const v1::UpdateReport ordered,
      trainer.Update(MakeBatch(1), 1, {.learning_rate = 0.5e-3}));
  ASSERT_OK_AND_ASSIGN(const v1::UpdateReport after,
                       trainer.Update(MakeBatch(2), 2));
  EXPECT_NEAR(ordered.learning_rate(), 0.5e-3, 1e-7);
  EXPECT_NEAR(after.learning_rate(), 1e-3, 1e-7);
}

TEST(PpoTrainerTest, TheKlCoefficientFollowsItsTarget) {
  SingleCommunicator alone;
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_kl_target_nats(1);
  options.ppo.set_kl_horizon_rollouts(60);
  PpoTrainer trainer = MakeTrainer(options, &alone);
  ASSERT_OK_AND_ASSIGN(const auto report, trainer.Update(MakeBatch(1), 1));
  // The first batch has no KL: the error is cut at -0.2, and 6 of 60 rollouts
  // make 2 %.
  EXPECT_EQ(report.kl_coefficient(), 0.05);
  EXPECT_NEAR(trainer.kl_coefficient(), 0.05 * 0.98, 1e-12);
}

class RanksTest : public testing::TestWithParam<v1::PpoConfig::Algorithm> {};

TEST_P(RanksTest, TwoGiveTheLossesOfOne) {
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_algorithm(GetParam());
  options.ppo.set_samples_per_prompt(3);
  options.ppo.set_whiten_rewards(GetParam() == v1::PpoConfig::GRPO);
  // Ten of the twenty updates of six rollouts each.
  options.ppo.set_warmup_rollouts(60);
  ExpectTwoRanksGiveTheLossesOfOne(options);
}

TEST(PpoTrainerTest, TwoRanksWithStaleSamplesGiveTheLossesOfOne) {
  PpoTrainer::Options options = MakeOptions();
  options.ppo.set_max_staleness(2);
  ExpectTwoRanksGiveTheLossesOfOne(options);
}

TEST(PpoTrainerTest, TwoRanksWithACriticOfItsOwnGiveTheLossesOfOne) {
  ExpectTwoRanksGiveTheLossesOfOne(WithOwnCritic(MakeOptions()));
}

INSTANTIATE_TEST_SUITE_P(
    Algorithms, RanksTest,
    testing::Values(v1::PpoConfig::PPO, v1::PpoConfig::GRPO,
                    v1::PpoConfig::RLOO, v1::PpoConfig::REINFORCE_PP,
                    v1::PpoConfig::BEST_OF_K),
    [](const auto& info) { return v1::PpoConfig::Algorithm_Name(info.param); });

}  // namespace
}  // namespace rlhf
