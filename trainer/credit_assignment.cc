#include "trainer/credit_assignment.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <numeric>

#include "core/base/status_macros.h"
#include "trainer/ppo/advantage.h"
#include "trainer/ppo/grpo.h"
#include "trainer/ppo/reinforce_pp.h"
#include "trainer/ppo/rejection_sampling.h"
#include "trainer/ppo/rloo.h"

namespace rlhf {
namespace {

absl::StatusOr<at::Tensor> WhitenOverRanks(Communicator& communicator,
                                           const at::Tensor& values_N,
                                           bool shift_mean) {
  MomentSums sums = SumMoments(values_N);
  RLHF_RETURN_IF_ERROR(
      communicator.SumNumbers({&sums.count, &sums.sum, &sums.sum_of_squares}));
  return Whiten(values_N, FromSums(sums), shift_mean);
}

// The reward of each whole response of the batch, [S], on every rank.
absl::StatusOr<at::Tensor> RewardOfEachSample(Communicator& communicator,
                                              const OwnRewards& rewards,
                                              int64_t batch_size) {
  const at::Tensor reward_S =
      at::zeros({batch_size}, at::TensorOptions(at::kDouble));
  int64_t begin = 0;
  for (size_t k = 0; k < rewards.samples.size(); ++k) {
    const at::Tensor own =
        rewards.reward_N.narrow(0, begin, rewards.lengths[k]);
    reward_S[rewards.samples[k]].copy_(own.sum(at::kDouble));
    begin += rewards.lengths[k];
  }
  // Each rank has zeros where another owns.
  if (communicator.world_size() > 1) {
    RLHF_RETURN_IF_ERROR(communicator.AllReduceSum({reward_S}));
  }
  return reward_S;
}

// Every token gets the advantage of its response.
at::Tensor SpreadOverTokens(const at::Tensor& advantage_S,
                            const OwnRewards& rewards) {
  if (rewards.samples.empty()) return rewards.reward_N;
  const auto longs = at::TensorOptions(at::kLong);
  return advantage_S.index_select(0, at::tensor(rewards.samples, longs))
      .repeat_interleave(at::tensor(rewards.lengths, longs))
      .to(rewards.reward_N.scalar_type());
}

std::vector<int64_t> All(int64_t count) {
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), int64_t{0});
  return indices;
}

absl::Status WhitenAdvantages(const v1::PpoConfig& config,
                              Communicator& communicator, Credit& credit) {
  if (!config.whiten_advantages()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(
      credit.advantage_N,
      WhitenOverRanks(communicator, credit.advantage_N, /*shift_mean=*/true));
  return absl::OkStatus();
}

absl::StatusOr<Credit> AssignByPpo(const v1::PpoConfig& config,
                                   const OwnRewards& rewards,
                                   int64_t batch_size,
                                   Communicator& communicator) {
  const Advantages found = ComputeAdvantages(
      rewards.reward_N, rewards.value_N, rewards.lengths,
      {.discount = config.discount(), .lambda = config.gae_lambda()});
  Credit credit{.advantage_N = found.advantage_N,
                .return_N = found.return_N,
                .trained = All(batch_size)};
  RLHF_RETURN_IF_ERROR(WhitenAdvantages(config, communicator, credit));
  return credit;
}

absl::StatusOr<Credit> AssignByReinforce(const v1::PpoConfig& config,
                                         const OwnRewards& rewards,
                                         int64_t batch_size,
                                         Communicator& communicator) {
  Credit credit{.advantage_N = RewardsToGo(rewards.reward_N, rewards.lengths,
                                           config.discount()),
                .return_N = at::zeros_like(rewards.reward_N),
                .trained = All(batch_size)};
  RLHF_RETURN_IF_ERROR(WhitenAdvantages(config, communicator, credit));
  return credit;
}

absl::StatusOr<Credit> AssignWithinGroups(const v1::PpoConfig& config,
                                          const OwnRewards& rewards,
                                          int64_t batch_size,
                                          Communicator& communicator) {
  const int64_t group = config.samples_per_prompt();
  RLHF_ASSIGN_OR_RETURN(at::Tensor reward_S,
                        RewardOfEachSample(communicator, rewards, batch_size));
  if (config.whiten_rewards()) {
    // Of whole responses: whitened one by one, the mean that every token keeps
    // would pay for length.
    reward_S = Whiten(reward_S, FromSums(SumMoments(reward_S)),
                      /*shift_mean=*/false);
  }
  Credit credit{.advantage_N = {},
                .return_N = at::zeros_like(rewards.reward_N),
                .trained = All(batch_size)};
  at::Tensor advantage_S;
  if (config.algorithm() == v1::PpoConfig::GRPO) {
    advantage_S = GrpoAdvantages(reward_S, group);
  } else if (config.algorithm() == v1::PpoConfig::RLOO) {
    advantage_S = RlooAdvantages(reward_S, group);
  } else {
    credit.trained = BestOfEachGroup(reward_S, group);
    advantage_S = at::zeros_like(reward_S);
    for (const int64_t i : credit.trained) advantage_S[i].fill_(1);
  }
  credit.advantage_N = SpreadOverTokens(advantage_S, rewards);
  return credit;
}

}  // namespace

bool HasCritic(const v1::PpoConfig& config) {
  return config.algorithm() == v1::PpoConfig::PPO;
}

bool Imitates(const v1::PpoConfig& config) {
  return config.algorithm() == v1::PpoConfig::BEST_OF_K;
}

absl::StatusOr<Credit> AssignCredit(const v1::PpoConfig& config,
                                    const OwnRewards& rewards,
                                    int64_t batch_size,
                                    Communicator& communicator) {
  switch (config.algorithm()) {
    case v1::PpoConfig::GRPO:
    case v1::PpoConfig::RLOO:
    case v1::PpoConfig::BEST_OF_K:
      return AssignWithinGroups(config, rewards, batch_size, communicator);
    case v1::PpoConfig::PPO:
    case v1::PpoConfig::REINFORCE_PP:
      break;
  }
  // In float64 until the end: whitening magnifies what rounding had cut off.
  OwnRewards used = rewards;
  used.reward_N = rewards.reward_N.to(at::kDouble);
  used.value_N = rewards.value_N.to(at::kDouble);
  if (config.whiten_rewards()) {
    RLHF_ASSIGN_OR_RETURN(used.reward_N,
                          WhitenOverRanks(communicator, used.reward_N,
                                          /*shift_mean=*/false));
  }
  RLHF_ASSIGN_OR_RETURN(
      Credit credit,
      HasCritic(config)
          ? AssignByPpo(config, used, batch_size, communicator)
          : AssignByReinforce(config, used, batch_size, communicator));
  credit.advantage_N = credit.advantage_N.to(rewards.reward_N.scalar_type());
  credit.return_N = credit.return_N.to(rewards.reward_N.scalar_type());
  return credit;
}

}  // namespace rlhf
