// The bytes that `rlhf plan` announces, against those that ranks send.
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "trainer/parallel/plan.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

constexpr int64_t kRollouts = 16, kPromptTokens = 4, kResponseTokens = 6;

std::vector<PpoSample> EvenBatch() {
  std::vector<PpoSample> batch;
  for (int32_t i = 0; i < kRollouts; ++i) {
    PpoSample sample;
    sample.prompt_ids.assign(kPromptTokens, 3 + i);
    sample.response_ids.assign(kResponseTokens, 40 + i);
    sample.behaviour_logprobs.assign(kResponseTokens, -6);
    sample.score = i % 3;
    batch.push_back(std::move(sample));
  }
  return batch;
}

PpoTrainer::Options EvenOptions() {
  PpoTrainer::Options options;
  options.ppo.set_rollouts_per_update(kRollouts);
  options.ppo.set_num_epochs(2);
  options.micro_batch_tokens = 2 * (kPromptTokens + kResponseTokens);
  return options;
}

void ExpectThePlannedBytes(const PpoTrainer::Options& options) {
  for (const int ranks : {2, 4, 8}) {
    const ModelConfig model = MakeTinyModel(1).config();
    PlanInput input = {.policy = model,
                       .ranks = ranks,
                       .sharded = options.sharded,
                       .lora_rank = options.lora.rank,
                       .dtype_bytes = options.dtype == at::kFloat ? 4 : 2,
                       .micro_batch_tokens = options.micro_batch_tokens,
                       .work = WorkOf(options.ppo, options.micro_batch_tokens,
                                      ranks, kPromptTokens, kResponseTokens)};
    if (options.ppo.critic() == v1::PpoConfig::SEPARATE) {
      input.critic = AsPreferenceModel(model, model.num_layers, 0);
    }
    const PlanTraffic plan = PlannedTraffic(input);
    OnRanks(ranks, absl::Seconds(60), [&](Communicator& communicator) {
      PpoTrainer trainer = MakeTrainer(options, &communicator);
      ASSERT_OK(trainer.Update(EvenBatch(), 1));
      const SentBytes sent = communicator.sent_bytes();
      EXPECT_EQ(sent.all_gather, static_cast<uint64_t>(plan.all_gather));
      EXPECT_EQ(sent.reduce_scatter,
                static_cast<uint64_t>(plan.reduce_scatter));
      // Each bucket of a step is divided for itself.
      EXPECT_NEAR(static_cast<double>(sent.all_reduce),
                  static_cast<double>(plan.all_reduce), 8);
      ASSERT_OK(trainer.GatherPolicy());
      EXPECT_EQ(communicator.sent_bytes().all_gather - sent.all_gather,
                static_cast<uint64_t>(plan.publish_gather));
    });
  }
}

TEST(PlanTrafficTest, ReplicatedRanksSendWhatWasPlanned) {
  ExpectThePlannedBytes(EvenOptions());
}

TEST(PlanTrafficTest, RanksWithAdaptersSendWhatWasPlanned) {
  PpoTrainer::Options options = WithOwnCritic(EvenOptions());
  options.lora.rank = 2;
  ExpectThePlannedBytes(options);
}

TEST(PlanTrafficTest, ShardedRanksSendWhatWasPlanned) {
  PpoTrainer::Options options = EvenOptions();
  options.sharded = true;
  ExpectThePlannedBytes(options);
}

TEST(PlanTrafficTest, ShardsOfTwoModelsInBfloat16SendWhatWasPlanned) {
  PpoTrainer::Options options = WithOwnCritic(EvenOptions());
  options.sharded = true;
  options.dtype = at::kBFloat16;
  ExpectThePlannedBytes(options);
}

}  // namespace
}  // namespace rlhf
