// Which rank of how many this process is, from what its launcher put into the
// environment.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace rlhf {

struct LaunchInfo {
  // "torchrun" or "single".
  std::string launcher = "single";
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  // Ranks on this machine.
  int local_world_size = 1;
  std::string master_address;
  int master_port = 0;
  // torchrun's agent already holds the store at that address.
  bool agent_store = false;
  int restart_count = 0;

  // "launch: torchrun rank 0/2 master localhost:39179 restart 0"
  std::string OneLine() const;
};

// RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT together mean torchrun (or
// anything that speaks its contract); none of them means a single process.
//
// Errors: InvalidArgument if some but not all are set, naming the missing ones,
// or if one is not a number in its range.
absl::StatusOr<LaunchInfo> DetectLaunch(
    const std::map<std::string, std::string>& environment);

// This process's environment.
std::map<std::string, std::string> ReadEnvironment();

}  // namespace rlhf
