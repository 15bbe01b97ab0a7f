// The trials of a candidate PM that held up on the held-out comparisons: beside
// the serving PM in its shadow, then as the canary of some updates. What they
// show is judged by gate.h; here it is brought about and waited for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/registry/model_registry.h"
#include "core/rpc/reward_client.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/preference/gate.h"

namespace rlhf {

// Used by one thread. A trial that a killed process left is begun again by the
// next call: the aliases say what it was.
class CandidateTrial {
 public:
  // Pointers are not owned and must outlive the trial. `show` is told "shadow"
  // and "canary", with the share of the trial that is over.
  struct Options {
    v1::GateConfig gate;
    std::string run_directory;
    const ModelRegistry* registry;
    RewardClient* rewards;
    std::function<void(const std::string& phase, double share)> show;
  };

  explicit CandidateTrial(Options options) : options_(std::move(options)) {}

  // Both trials of `version`, as far as the config wants them; the second only
  // if the first was passed. Refused, it is neither shadow nor canary
  // afterwards.
  //
  // Errors: Cancelled at shutdown, the aliases then stay; of the registry.
  absl::StatusOr<std::vector<GateVerdict>> Run(int64_t version);

  // Nobody is shadow or canary any more. Errors: of the registry.
  absl::Status EndTrials(const std::string& reason);

 private:
  absl::StatusOr<GateVerdict> Shadow(int64_t version);
  absl::StatusOr<GateVerdict> Canary(int64_t version);
  // Why canary `version` could not score a dialogue; empty if it could, or if
  // nobody answers.
  std::string ScoringError(int64_t version) const;

  const Options options_;
};

}  // namespace rlhf
