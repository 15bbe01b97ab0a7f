// From the rewards of a batch to the advantages of its tokens, by each
// algorithm. Every rank brings the rewards of its own samples; whitening and
// groups span the batch of all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/ppo/whiten.h"

namespace rlhf {

// The samples that one rank owns, packed; all on the CPU.
struct OwnRewards {
  // Indices into the batch, rising.
  std::vector<int64_t> samples;
  // Tokens of each.
  std::vector<int64_t> lengths;
  // [N]: KL penalty and score (kl_penalty.h), and the value head's estimate.
  at::Tensor reward_N;
  at::Tensor value_N;
};

struct Credit {
  // [N], for this rank's tokens.
  at::Tensor advantage_N;
  // [N]: targets of the value head; zeros for algorithms without one.
  at::Tensor return_N;
  // The samples of the whole batch to train on, rising; the same on all ranks.
  std::vector<int64_t> trained;
};

// Whether the algorithm trains the value head.
bool HasCritic(const v1::PpoConfig& config);

// Whether it imitates the best answers by their score alone: no KL in the
// reward, no ratios.
bool Imitates(const v1::PpoConfig& config);

// `batch_size` is the number of samples of all ranks; group g is samples
// g * samples_per_prompt onwards. Rewards are whitened first if the config says
// so: of tokens for PPO and REINFORCE++, of whole responses for the algorithms
// that compare these. Collective. Errors: of the communicator.
absl::StatusOr<Credit> AssignCredit(const v1::PpoConfig& config,
                                    const OwnRewards& rewards,
                                    int64_t batch_size,
                                    Communicator& communicator);

}  // namespace rlhf
