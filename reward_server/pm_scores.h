// What a PM of one or several members makes of dialogues.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "reward_server/pm_slots.h"

namespace rlhf {

struct PmScores {
  // One per dialogue: the reward.
  std::vector<float> combined;
  // The same by each member, in the order of the PM's; empty for a PM of one.
  std::vector<std::vector<float>> by_member;
};

// `sequences` are dialogues as the PM encodes them; `max_tokens` bounds one
// forward pass. Where that takes several, those with the longest common
// beginnings go together: a pass reads a beginning once
// (core/nn/packed_batch.h). A score depends on what it is computed with, by
// rounding only. `go_on` is asked before each pass. Errors: as ScoreSequences.
absl::StatusOr<PmScores> ScoreDialogues(
    const LoadedPm& pm, absl::Span<const std::vector<int32_t>> sequences,
    int64_t max_tokens,
    const std::function<absl::Status()>& go_on = absl::OkStatus);

// The scores of the dialogues from `begin` on, `count` of them.
PmScores Part(const PmScores& scores, size_t begin, size_t count);

// Makes `part`, of the same members, the scores of the dialogues `where`.
void Place(const PmScores& part, absl::Span<const size_t> where,
           PmScores& scores);

}  // namespace rlhf
