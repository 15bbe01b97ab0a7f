// Which rank of how many this process is, from what its launcher put into the
// environment. docs/launching.md shows the same to people.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace rlhf {

struct LaunchInfo {
  // "flags", "torchrun", "PET", "LeaderWorkerSet", "JobSet", "Slurm", "MPI" or
  // "single".
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

// What the caller said on the command line; empty fields were not given.
struct LaunchFlags {
  std::string rank;
  std::string world_size;
  // HOST:PORT where the ranks meet.
  std::string master;
};

// The first of these that says anything decides, so that a launcher inside
// another one (torchrun in a Slurm step) is the one that counts:
//   1. the flags
//   2. torchrun, or anything that sets RANK, WORLD_SIZE, MASTER_ADDR and
//      MASTER_PORT
//   3. PET_NNODES, …: torchrun's flags as variables, as Kubeflow Trainer sets
//      them, where no torchrun runs
//   4. LeaderWorkerSet (LWS_*)
//   5. an indexed job of Kubernetes, which a JobSet makes
//      (JOB_COMPLETION_INDEX)
//   6. a Slurm step (SLURM_STEP_*); a batch script is none
//   7. MPI: OMPI_COMM_WORLD_*, or PMI_*
//   8. a single process
// MASTER_ADDR and MASTER_PORT, which many scripts export, say for 4 to 7 where
// the ranks meet. Pure.
//
// Errors: InvalidArgument if what decides is set by half, naming what is
// missing and what to do, or if a value is not one, naming it.
absl::StatusOr<LaunchInfo> DetectLaunch(
    const std::map<std::string, std::string>& environment,
    const LaunchFlags& flags = {});

// This process's environment.
std::map<std::string, std::string> ReadEnvironment();

}  // namespace rlhf
