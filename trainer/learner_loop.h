// The updates of a run, one after the other, on one rank of its learner.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/batch.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/divergence.h"
#include "trainer/learner_head.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_trainer.h"
#include "trainer/preemption.h"
#include "trainer/rank_metrics.h"
#include "trainer/steering.h"

namespace rlhf {

// What one rank works with.
struct LearnerRank {
  Communicator& communicator;
  LearnerHead* head;  // null on ranks other than 0
  RankMetrics& metrics;
};

// All ranks go through it in step: rank 0, which has a head, decides.
class LearnerLoop {
 public:
  // `preemption` is what the trainer's give_up looks at. Nothing is owned, and
  // all must outlive the loop.
  LearnerLoop(const v1::RunConfig& config, const LearnerRank& rank,
              PpoTrainer& trainer, PreemptionView& preemption);

  // Goes on from `cut` to the end of the run or until it is asked to stop.
  absl::Status Run(const LearnerCut& cut);

  // The last one that was reached.
  const LearnerCut& cut() const { return cut_; }

  // Whether the weights are those of cut(), and not of half an update, and the
  // other ranks are still there to bring them together.
  bool is_cut() const { return is_cut_; }

  // Collective: the ranks bring together what rank 0 then puts into a
  // checkpoint or into the registry.
  absl::Status SaveCheckpoint();
  absl::Status SaveSnapshot();

  // The last checkpoint of this process, once is_cut(): collective only if
  // sharded, as a rank that gave up its update may have left others in it.
  absl::Status SaveLastCheckpoint();

 private:
  // What there is to do for one update, or before it; nothing: stop.
  struct Work {
    std::optional<Batch> batch;
    std::optional<LeftOut> left_out;
    // One was ordered; then the update is asked for again.
    bool checkpoint = false;
  };

  // Rank 0 collects; the others receive.
  absl::StatusOr<Work> NextWork(int64_t update);
  absl::StatusOr<Work> Collect(int64_t update);
  static std::string Encode(const Work& work);
  static absl::StatusOr<Work> Decode(const std::string& bytes);
  absl::StatusOr<Work> CollectAsOrdered(int64_t update);
  absl::Status Step(const Batch& batch);
  // Goes past an update with the initial policy instead of its batch.
  absl::Status Restart(const Batch& batch);
  // What becomes of the batch of a diverged update, as rank 0 decides and notes
  // down.
  absl::StatusOr<LeftOut> Agree(const v1::BatchHeader& header);
  // Rank 0's part of it.
  absl::StatusOr<LeftOut> SetBatchAside(const v1::BatchHeader& header);
  // Goes past an update without its batch.
  absl::Status LeaveOut(const LeftOut& left_out, v1::UpdateReport report);
  absl::Status RollBack(int64_t update, int64_t step);
  // Collective: what rank 0 then offers to the actors.
  absl::Status Publish();
  // Publishes the policy after an update and tells of it.
  absl::Status Show(v1::UpdateReport& report);
  absl::Status CompareIfDue();
  absl::Status CheckpointIfDue();
  // Whether an error is no more than the end that was asked for: given up here,
  // or by another rank that left.
  bool IsStop(const absl::Status& status) const;

  const v1::RunConfig& config_;
  const CheckpointStore store_;  // for reading
  Communicator& communicator_;
  PpoTrainer& trainer_;
  LearnerHead* const head_;
  PreemptionView& preemption_;
  RankMetrics& metrics_;
  LearnerCut cut_;
  Steering steering_;
  bool is_cut_ = true;
  // Whatever checkpoint_every says.
  bool save_now_ = false;
  // The update of the newest checkpoint that was begun; -1: there is none.
  int64_t last_saved_ = -1;
  // A complete batch that an order keeps from being trained on.
  std::optional<Batch> collected_;
  // That the checkpoint after the last update held the loop up.
  double checkpoint_seconds_ = 0;
};

}  // namespace rlhf
