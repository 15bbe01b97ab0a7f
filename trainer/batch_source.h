// Where rank 0 gets its batches from: the journal of an earlier session, or
// live actors.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/rpc/reward_client.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/batch.h"
#include "trainer/control_service.h"
#include "trainer/reward_anchor.h"
#include "trainer/rollouts_service.h"

namespace rlhf {

// Used by one thread.
class BatchSource {
 public:
  // Pointers are not owned and must outlive the source.
  struct Options {
    std::string run_directory;
    RewardClient* rewards;
    RolloutsService* rollouts;
    ControlService* control;
    // Called every few seconds while waiting, so that other ranks, which wait
    // for the batch in a collective with a deadline, know that all is well.
    std::function<absl::Status()> keep_alive;
    // Batches of so many further updates are open beside the one that is
    // collected, and stay open while it is trained on.
    int64_t num_ahead = 0;
    // Whether the canary PM, if there is one, rewards the batch of an update.
    std::function<bool(int64_t)> takes_canary = [](int64_t) { return false; };
    // What orders have for the batch of an update, which this PM rewards: a
    // header with `settings` and `mixture` alone. Called when it is opened.
    std::function<absl::StatusOr<v1::BatchHeader>(int64_t,
                                                  const v1::ModelVersion&)>
        ordered =
            [](int64_t, const v1::ModelVersion&) { return v1::BatchHeader(); };
    // There is no batch of a later update.
    int64_t num_updates = std::numeric_limits<int64_t>::max();
  };

  explicit BatchSource(const Options& options) : options_(options) {}

  // Blocks until the batch of `update` is complete: waits for a PM, pins it,
  // anchors its scale, opens the batch and its journal, and those of the
  // updates ahead, each with the PM that serves when it is opened. nullopt if
  // shutdown is requested first; what was acknowledged so far is in the
  // journals.
  absl::StatusOr<std::optional<Batch>> Collect(int64_t update);

 private:
  // The PM that serves, once there is one; nullopt on shutdown.
  absl::StatusOr<std::optional<v1::RewardStatus>> WaitForPm();
  absl::Status KeepAlive();
  // As RewardClient::Score, in several requests.
  absl::StatusOr<ScoreResult> Score(absl::Span<const v1::Rollout> rollouts,
                                    int64_t pm_version);
  // The scale of `pm` with `mixture`, as a header without update and PM: its
  // scores of the first batch. Those of the two PMs that were asked for last
  // are kept: serving PM and canary take turns.
  absl::StatusOr<v1::BatchHeader> AnchorOf(const v1::ModelVersion& pm,
                                           const v1::PmMixture& mixture);
  absl::StatusOr<v1::BatchHeader> MakeHeader(int64_t update,
                                             const v1::ModelVersion& pm);
  // A header with the PM that serves, or the canary, which also scores
  // `rollouts` anew. While the reward server is away, or swaps that PM out, it
  // asks again. nullopt on shutdown.
  absl::StatusOr<std::optional<v1::BatchHeader>> PinServingPm(
      int64_t update, std::vector<v1::Rollout>& rollouts);
  // Opens the batches of `first` to `last` that are not open, from their
  // journals if there are any. False on shutdown.
  absl::StatusOr<bool> OpenBatches(int64_t first, int64_t last);
  absl::StatusOr<bool> Open(int64_t update);
  // Scores anew each incomplete batch whose PM is served no more, or is a
  // canary that cannot score. False on shutdown.
  absl::StatusOr<bool> RescoreWhereThePmIsGone();
  absl::StatusOr<bool> ScoreAnew(int64_t update);
  // What the reward server says of itself; the log hears when that changes
  // between an answer and an error.
  absl::StatusOr<v1::RewardStatus> AskRewardServer();
  void Show(int64_t update);
  absl::Status Rescore(const v1::BatchHeader& header,
                       std::vector<v1::Rollout>& rollouts);

  const Options options_;
  absl::Time next_keep_alive_ = absl::InfinitePast();
  absl::Time next_pm_check_ = absl::InfinitePast();
  bool rewards_answer_ = true;
  std::map<int64_t, v1::BatchHeader> headers_;  // of the open batches
  // By the PMs' digests and mixtures, the one that was asked for last first.
  std::vector<std::pair<std::string, v1::BatchHeader>> anchors_;
};

// Mixes the rewards as the header says, and fills in the anchored scale of a
// first batch, which is its own anchor. Errors: as MixRewards.
absl::Status CompleteRewards(Batch& batch);

}  // namespace rlhf
