// A few answers of a run's policies, from early to late.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

// One rollout of an update's batch, without its tokens.
struct UpdateSample {
  int64_t update = 0;
  v1::Rollout rollout;
};

inline constexpr int kMostSamples = 6;

// Of at most kMostSamples updates, evenly spaced with the first and the last,
// the rollout whose reward is the median of its batch: nobody chose it. Updates
// that were left out, or whose journal is gone, have none.
//
// Errors: as RolloutJournal::Read, but NotFound.
absl::StatusOr<std::vector<UpdateSample>> ReadSamples(
    const std::string& run_dir, const v1::Report& report);

}  // namespace rlhf
