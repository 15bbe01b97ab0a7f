// Rewards of PMs of several objectives whose weights an order has changed:
// what each member gave stands in the rollout, and is mixed anew.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "core/registry/pm_members.h"
#include "rlhf/v1/orders.pb.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

// How the reward of a PM with `members` is mixed; without members if no weight
// in `settings` is of one of its objectives.
v1::PmMixture MixtureOf(const PmMembers& members,
                        const v1::LiveSettings& settings);

// Replaces the rewards of `rollouts` by what `mixture` makes of their members'
// scores; leaves them if it has no members.
// Errors: DataLoss, naming the rollout, if a score is missing.
absl::Status MixRewards(const v1::PmMixture& mixture,
                        std::vector<v1::Rollout>& rollouts);

}  // namespace rlhf
