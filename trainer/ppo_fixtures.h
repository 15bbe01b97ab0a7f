// A small PPO trainer and its batches, for tests.
#pragma once

#include <ATen/ops/zeros.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/nn/device.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {

inline PpoTrainer::Options MakeOptions() {
  PpoTrainer::Options options;
  options.ppo.set_learning_rate(1e-3);
  options.ppo.set_kl_coefficient(0.05);
  options.ppo.set_num_minibatches(2);
  options.ppo.set_num_epochs(2);
  options.micro_batch_tokens = 40;
  return options;
}

// With a critic of its own where the options say so, starting at zero; on the
// options' device.
inline PpoTrainer MakeTrainer(const PpoTrainer::Options& options,
                              Communicator* communicator) {
  // Shares get there from models on the CPU.
  const at::Device device = options.sharded ? at::kCPU : options.device;
  Transformer policy = MakeTinyModel(1), reference = MakeTinyModel(1);
  EXPECT_OK(MoveTo(device, policy));
  EXPECT_OK(MoveTo(device, reference));
  PpoTrainer::Models models = {
      .policy = std::move(policy),
      .reference = std::make_shared<const Transformer>(std::move(reference)),
      .critic = std::nullopt};
  if (options.ppo.critic() == v1::PpoConfig::SEPARATE) {
    const Transformer trunk = MakeTinyModel(2);
    NamedTensors weights = trunk.parameters();
    weights.push_back(
        {"score.weight", at::zeros({1, trunk.config().hidden_size})});
    absl::StatusOr<Transformer> critic = Transformer::Create(
        AsPreferenceModel(trunk.config(), trunk.config().num_layers,
                          /*pad_token_id=*/0),
        std::move(weights));
    EXPECT_OK(critic);
    EXPECT_OK(MoveTo(device, *critic));
    models.critic = *std::move(critic);
  }
  return PpoTrainer(std::move(models), options, communicator);
}

inline PpoTrainer::Options WithOwnCritic(PpoTrainer::Options options) {
  options.ppo.set_critic(v1::PpoConfig::SEPARATE);
  return options;
}

// A batch of 6 dialogues of various lengths, drawn by hash; the score is the
// share of even tokens, which a policy can learn. Up to `max_staleness` stale.
inline std::vector<PpoSample> MakeBatch(int64_t update,
                                        int64_t max_staleness = 0) {
  std::vector<PpoSample> batch;
  for (int64_t i = 0; i < 6; ++i) {
    const auto draw = [&](int64_t k) {
      return MixHash(MixHash(update, i), static_cast<uint64_t>(k));
    };
    PpoSample sample;
    for (int64_t k = 0; k < 3 + i; ++k) {
      sample.prompt_ids.push_back(static_cast<int32_t>(3 + draw(k) % 500));
    }
    int even = 0;
    for (int64_t k = 0; k < 9 - i; ++k) {
      const auto id = static_cast<int32_t>(3 + draw(100 + k) % 500);
      even += id % 2 == 0;
      sample.response_ids.push_back(id);
      sample.behaviour_logprobs.push_back(-6);
    }
    sample.score = static_cast<double>(even) / static_cast<double>(9 - i);
    sample.ended = i % 2 == 0;
    sample.staleness = i % (max_staleness + 1);
    batch.push_back(std::move(sample));
  }
  return batch;
}

// The losses of `count` updates on one rank, or as one of several.
inline std::vector<v1::UpdateReport> Updates(const PpoTrainer::Options& options,
                                             Communicator* communicator,
                                             int64_t count) {
  PpoTrainer trainer = MakeTrainer(options, communicator);
  std::vector<v1::UpdateReport> reports;
  for (int64_t update = 1; update <= count; ++update) {
    absl::StatusOr<v1::UpdateReport> report =
        trainer.Update(MakeBatch(update, options.ppo.max_staleness()), update);
    EXPECT_OK(report);
    if (!report.ok()) break;
    reports.push_back(*std::move(report));
  }
  return reports;
}

}  // namespace rlhf
