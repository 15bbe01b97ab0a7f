#include "trainer/rank_group.h"

#include <unistd.h>

#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/launch/error_file.h"
#include "core/launch/exit_codes.h"

namespace rlhf {
namespace {

// Longer than it takes a watch to hear of a process that died.
constexpr absl::Duration kVerdictTime = absl::Seconds(2);

// The main thread may be in a collective that never ends, so there is no way
// out but this.
[[noreturn]] void EndBecauseOf(int rank, const std::string& message,
                               const RankGroup::Options& options) {
  RLHF_LOG(ERROR) << "rank " << rank << " ends because " << message << "; "
                  << options.outlook;
  const std::string words = absl::StrCat("rlhf ", options.verb, ": ", message);
  std::cerr << words << "\n" << std::flush;
  WriteErrorFile(ReadEnvironment(), words);
  ::_exit(kAnotherRankFailed);
}

}  // namespace

RankGroup::Options RankGroup::OptionsOf(const v1::LearnerConfig& learner,
                                        const std::string& verb,
                                        const std::string& outlook) {
  return {
      .verb = verb,
      .outlook = outlook,
      .collective_timeout = absl::Seconds(learner.collective_timeout_seconds()),
      .rank_timeout = absl::Seconds(learner.rank_timeout_seconds())};
}

absl::StatusOr<std::unique_ptr<RankGroup>> RankGroup::Join(
    const Options& options, const LaunchInfo& launch) {
  std::unique_ptr<RankGroup> group(new RankGroup());
  if (launch.world_size == 1) {
    group->communicator_ = std::make_unique<SingleCommunicator>();
    return group;
  }
  RLHF_ASSIGN_OR_RETURN(
      group->communicator_,
      MakeC10dCommunicator(
          {.rank = launch.rank,
           .world_size = launch.world_size,
           .master_address = launch.master_address,
           .master_port = launch.master_port,
           .agent_store = launch.agent_store,
           .store_prefix = absl::StrCat("rlhf/", launch.restart_count),
           .timeout = options.collective_timeout,
           .on_one_machine = launch.local_world_size == launch.world_size,
           .device = options.device}));
  RLHF_ASSIGN_OR_RETURN(
      group->watch_,
      RankWatch::Start(*group->communicator_,
                       {.master_address = launch.master_address,
                        .timeout = options.rank_timeout,
                        .connect_timeout = options.collective_timeout,
                        .on_failure = [rank = launch.rank,
                                       options](const std::string& message) {
                          EndBecauseOf(rank, message, options);
                        }}));
  RLHF_LOG(INFO) << "all " << launch.world_size << " ranks are there";
  return group;
}

absl::Status RankGroup::Leave(absl::Status result) {
  if (watch_ == nullptr) return result;
  if (absl::IsUnavailable(result) || absl::IsDeadlineExceeded(result)) {
    absl::SleepFor(kVerdictTime);
    const std::string activities = watch_->Activities();
    result = absl::Status(
        result.code(),
        absl::StrCat(result.message(),
                     "\nevery rank is alive; what they last told of:\n",
                     activities));
  }
  watch_->Leave(result);
  return result;
}

}  // namespace rlhf
