// replay: a run's updates made again and compared with what was recorded.
#include <ATen/Parallel.h>

#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/config_flag.h"
#include "cli/run_report.h"
#include "cli/verbs.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "trainer/replay.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

// Prints a line for an update that is what it was; DataLoss for another.
absl::Status Compare(const v1::UpdateReport& recorded,
                     const v1::UpdateReport& replayed, int64_t last_update) {
  const std::string difference = FirstDifference(recorded, replayed);
  if (!difference.empty()) {
    return absl::DataLossError(absl::StrCat("differs: ", difference));
  }
  std::cout
      << absl::StrFormat(
             "update %d/%d identical  weights %s  reward %+.3f  staleness "
             "%.2f  %.2f s",
             replayed.update(), last_update, replayed.parameter_hash(),
             replayed.reward_mean(), replayed.staleness_mean(),
             replayed.advantage_seconds() + replayed.update_seconds())
      << std::endl;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReplayVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  at::set_num_threads(config.threads());
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::UpdateReport> updates,
                        ReadUpdates(RunDirectory(config)));
  if (updates.empty()) {
    return absl::NotFoundError(
        absl::StrCat(RunDirectory(config), "/metrics.jsonl: no update yet"));
  }
  std::map<int64_t, v1::UpdateReport> recorded;
  for (const v1::UpdateReport& update : updates) {
    recorded[update.update()] = update;
  }
  const int64_t last = updates.back().update();
  int64_t num_compared = 0;
  RLHF_RETURN_IF_ERROR(Replay(
      config,
      {.from_checkpoint = flags.Bool("from-checkpoint"), .last_update = last},
      [&](const v1::UpdateReport& replayed) -> absl::Status {
        const auto it = recorded.find(replayed.update());
        if (it == recorded.end()) {
          return absl::DataLossError("missing in metrics.jsonl");
        }
        ++num_compared;
        return Compare(it->second, replayed, last);
      }));
  if (num_compared == 0) {
    return absl::FailedPreconditionError(
        "no update was recorded after the oldest checkpoint; leave out "
        "--from-checkpoint");
  }
  std::cout << num_compared << " updates are identical to the bit\n";
  return absl::OkStatus();
}

}  // namespace rlhf
