// What each model of a PM version trains on. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "core/registry/pm_members.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

struct MemberPlan {
  PmMember member;
  std::vector<PmExample> training;
  uint64_t seed = 0;
};

// The members that `config` asks for, the first one rewarding, each with its
// part of `training`: the comparisons of its objective's sources, each as often
// as PmSource.weight says (a fraction is decided by hash). In each,
// no worker weighs more than preference.max_worker_share. With a test PM, the
// ones that reward have the comparisons of one half of the prompts and it,
// last, those of the other (Bai et al. 2022, §4.2); the halves are the same for
// every version.
std::vector<MemberPlan> PlanMembers(const v1::PreferenceConfig& config,
                                    const std::vector<PmExample>& training,
                                    uint64_t seed);

// Those of `training` that any of these members trains on, each once.
std::vector<PmExample> UsedByMembers(const v1::PreferenceConfig& config,
                                     const std::vector<PmExample>& training);

// How the plans' scores make the reward.
PmMembers MembersOf(const v1::PreferenceConfig& config,
                    const std::vector<MemberPlan>& plans);

// For RefreshMode WARM_START: the comparisons after `trained_on`, and the share
// `replay_share` of those up to it, drawn anew for each `draw`.
std::vector<PmExample> FreshAndReplayed(const std::vector<PmExample>& training,
                                        int64_t trained_on, double replay_share,
                                        uint64_t draw);

}  // namespace rlhf
