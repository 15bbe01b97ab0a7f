// The reward call, as every role makes it: to one reward server, or to several
// replicas in turn.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/rpc/reward_replicas.h"
#include "core/rpc/rpc_identity.h"
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
  // `addresses` is "HOST:PORT", or several with commas between, of replicas
  // that follow one registry. Dies unless SplitAddresses takes it
  // (core/config/address.h): addresses are checked when the run file is read.
  // Calls as `self`.
  explicit RewardClient(const std::string& addresses,
                        const RpcIdentity& self = {});

  // Scores with PM version `pm_version` (0: the serving one) at the replica
  // whose turn it is. One that does not answer, is full or does not hold the
  // version is passed by; each gets an equal part of the time that is left.
  // What may pass by itself is tried again until `timeout`, with the pauses
  // that the server asks for; `stop` ends a try at once. One result is never of
  // two replicas.
  //
  // Errors: those of Reward.Score, NotFound if no replica that answers holds
  // the version, and Internal if the reply is not one finite score per
  // dialogue, and member, from the version asked for. An error never becomes a
  // score.
  absl::StatusOr<ScoreResult> Score(
      const std::vector<v1::ScoredDialogue>& dialogues, int64_t pm_version,
      absl::Duration timeout, const std::stop_token& stop = {});

  // Asks every replica once, within `timeout` in all; what those that answer
  // hold together (MergeStatuses). Errors: the first replica's if none answers.
  absl::StatusOr<v1::RewardStatus> GetStatus(absl::Duration timeout);

 private:
  struct Replica {
    std::unique_ptr<v1::Reward::Stub> reward;
    std::unique_ptr<v1::RewardAdmin::Stub> admin;
  };

  // One try at each replica in turn, until one has scored.
  absl::StatusOr<ScoreResult> AskInTurn(const v1::ScoreRequest& request,
                                        absl::Time deadline,
                                        const std::stop_token& stop);

  std::vector<Replica> replicas_;
  Mutex mutex_;
  ReplicaTurns turns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
