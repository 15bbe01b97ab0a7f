// The models that one PM version holds, and what their scores make together.
//
// Most versions hold one. Several are an ensemble, PMs of several objectives, a
// test PM that only watches, or all of these: they are published, served and
// taken back as one, so that no reward ever mixes versions.
//
//   registry/pm/000007/                    the first member, loads in
//                                          transformers like any other PM
//   registry/pm/000007/members/harmless/   each further one
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

struct PmMember {
  // "pm", "pm-2", "harmless", "test". Unique within a version.
  std::string name = "pm";
  // Below the version's folder; empty: that folder itself.
  std::string folder;
  // Members of one objective are an ensemble. Empty: it watches and has no part
  // in the reward.
  std::string objective = "pm";
  // Of the objective's score in the reward; the same for all its members.
  double weight = 1;
};

struct PmMembers {
  // The first one rewards and has no folder.
  std::vector<PmMember> members = {PmMember()};
  // Standard deviations of an ensemble's scores that its mean is lowered by.
  double ensemble_penalty = 0;
};

// Where a member lies in the version's folder `directory`.
std::string MemberFolder(const std::string& directory, const PmMember& member);

// For a version's card, under "pm_members".
Json ToJson(const PmMembers& members);

// What a card says; one member if it says nothing.
// Errors: InvalidArgument for a malformed entry.
absl::StatusOr<PmMembers> PmMembersOf(const Json& card);

// By dialogue, the reward: the sum over objectives of the weight times the mean
// of its members' scores less the weight's size times `ensemble_penalty` times
// their (biased) standard deviation, a lower confidence bound (after Coste et
// al. 2023, arXiv:2310.02743). `score_MS[m][s]` is what member m gave dialogue
// s; dies unless there is a row for each member.
std::vector<float> CombineScores(
    const PmMembers& members, const std::vector<std::vector<float>>& score_MS);

}  // namespace rlhf
