// Several ranks of one verb on this machine, which meet at a port of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/supervisor.h"
#include "core/launch/launch_environment.h"

namespace rlhf {

// The path of this program. Errors: Unavailable.
absl::StatusOr<std::string> ThisBinary();

// A port of this machine that was free a moment ago. Errors: as Listen.
absl::StatusOr<int> FreePort();

// By what rank `rank` of so many knows its place (launch_environment.h):
// "NAME=value" each. They stand above what a launcher of this process, such as
// torchrun, has set for itself.
std::vector<std::string> RankEnvironment(int rank, int num_ranks,
                                         int master_port);

// Ranks 1, 2, … of a command whose rank 0 is this process. They are not started
// again. They get SIGTERM when this process dies.
class OtherRanks {
 public:
  // Starts `rlhf ARGS` as each of them. What rank N writes is appended to
  // LOG_BASE.rank-N.log. All ranks share `threads`. Errors: as
  // Supervisor::Start, FreePort.
  static absl::StatusOr<std::unique_ptr<OtherRanks>> Start(
      const std::vector<std::string>& args, int num_ranks, int threads,
      const std::string& log_base);

  // This process's place among them.
  const LaunchInfo& launch() const { return launch_; }

  // To be asked when rank 0 is done, with `result`: an error gets the ends of
  // the logs, which stay; else they are removed.
  absl::Status End(const absl::Status& result) const;

 private:
  OtherRanks(std::vector<ProcessSpec> specs, const LaunchInfo& launch);

  const LaunchInfo launch_;
  std::vector<std::string> logs_;
  Supervisor supervisor_;
};

}  // namespace rlhf
