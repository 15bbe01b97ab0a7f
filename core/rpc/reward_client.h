// The reward call, as every role makes it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

struct ScoreResult {
  // One per dialogue, finite.
  std::vector<float> scores;
  v1::ModelVersion pm;
  // What each member of a PM of several gave; empty for a PM of one.
  std::vector<v1::MemberScores> members = {};

  // Makes dialogue `index` the rollout's: reward, PM and member scores.
  void Fill(size_t index, v1::Rollout& rollout) const;
};

// Thread-safe.
class RewardClient {
 public:
  explicit RewardClient(const std::string& address);

  // Scores with PM version `pm_version` (0: the serving one). Tries again,
  // until `timeout`, what may pass by itself; `stop` ends a try at once.
  //
  // Errors: those of Reward.Score, and Internal if the reply is not one finite
  // score per dialogue, and member, from the version asked for. An error never
  // becomes a score.
  absl::StatusOr<ScoreResult> Score(
      const std::vector<v1::ScoredDialogue>& dialogues, int64_t pm_version,
      absl::Duration timeout, const std::stop_token& stop = {});

  // One try, for at most `timeout`.
  absl::StatusOr<v1::RewardStatus> GetStatus(absl::Duration timeout);

 private:
  const std::unique_ptr<v1::Reward::Stub> reward_;
  const std::unique_ptr<v1::RewardAdmin::Stub> admin_;
};

}  // namespace rlhf
