// The learner's ranks as one group, which works whole or ends whole.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/comm/rank_watch.h"
#include "core/launch/launch_environment.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

class RankGroup {
 public:
  // Blocks until all ranks are there. From then on the process ends, with the
  // exit code kAnotherRankFailed and a message that names the rank, as soon as
  // another one dies or is stuck, whatever it does at that moment.
  //
  // Errors: as MakeC10dCommunicator and RankWatch::Start.
  static absl::StatusOr<std::unique_ptr<RankGroup>> Join(
      const v1::RunConfig& config, const LaunchInfo& launch);

  Communicator& communicator() { return *communicator_; }

  // Ends this rank's part with the result of its work. An error of a collective
  // may come of another rank's end: waits until that is known, then adds what
  // the other ranks were doing.
  absl::Status Leave(absl::Status result);

 private:
  RankGroup() = default;

  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<RankWatch> watch_;  // null for a rank alone
};

}  // namespace rlhf
