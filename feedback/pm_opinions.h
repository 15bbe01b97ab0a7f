// What the serving preference model thinks of a batch, as far as it is asked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "feedback/pm_margins.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct PmOpinions {
  // By comparison_id, score of A less that of B; and of the edit less that of
  // the response that was edited.
  std::map<std::string, double> margins, edit_margins;
  // Why there are none; empty if none are wanted.
  std::string why_none;
};

// Asks about some of the comparisons, from everywhere among them, and some of
// the edits: enough of each to tell 0.5 from 0.6, few enough for a reward
// server that works for the learner. Takes as long as `margins` does, which may
// be empty: no PM is asked.
PmOpinions AskPm(const PmMargins& margins,
                 const std::vector<const v1::Comparison*>& comparisons);

// The margin of one; nullopt if it was not asked for.
std::optional<double> MarginOf(const std::map<std::string, double>& margins,
                               const std::string& comparison_id);

}  // namespace rlhf
