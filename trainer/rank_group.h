// The ranks of a learner, or of another verb that trains, as one group, which
// works whole or ends whole.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/comm/rank_watch.h"
#include "core/launch/launch_environment.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

class RankGroup {
 public:
  struct Options {
    // For messages: the verb, and what the end of one rank means to all.
    std::string verb;
    std::string outlook;
    // Of one collective, and of a rank's silence.
    absl::Duration collective_timeout;
    absl::Duration rank_timeout;
    // Where the tensors are that this rank shares with others, besides those
    // on the CPU.
    at::Device device = at::kCPU;
  };

  // The times of `learner`; those of the schema if it is empty.
  static Options OptionsOf(const v1::LearnerConfig& learner,
                           const std::string& verb, const std::string& outlook);

  // Blocks until all ranks are there. From then on the process ends, with the
  // exit code kAnotherRankFailed and a message that names the rank, as soon as
  // another one dies or is stuck, whatever it does at that moment.
  //
  // Errors: as MakeC10dCommunicator and RankWatch::Start.
  static absl::StatusOr<std::unique_ptr<RankGroup>> Join(
      const Options& options, const LaunchInfo& launch);

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
