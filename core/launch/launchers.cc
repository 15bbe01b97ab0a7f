#include "core/launch/launchers.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/launch/host_list.h"

namespace rlhf {
namespace {

// torchrun's default, where a launcher has no port of its own to give.
constexpr int kDefaultPort = 29500;
constexpr int kMaxPort = 65535;

// Reads the rank and the number of ranks, one process a machine.
absl::StatusOr<LaunchInfo> Ranks(const LaunchVariables& variables,
                                 const std::string& launcher,
                                 const std::string& rank,
                                 const std::string& world_size) {
  LaunchInfo info;
  info.launcher = launcher;
  RLHF_ASSIGN_OR_RETURN(info.world_size,
                        variables.Number(world_size, 1, kMaxRanks));
  RLHF_ASSIGN_OR_RETURN(info.rank,
                        variables.Number(rank, 0, info.world_size - 1));
  return info;
}

// The same with several ranks on a machine, by names that may not be set.
absl::Status ReadLocal(const LaunchVariables& variables,
                       const std::string& local_rank,
                       const std::string& local_world_size, LaunchInfo* info) {
  RLHF_ASSIGN_OR_RETURN(
      info->local_rank,
      variables.NumberOr(local_rank, 0, info->world_size - 1, 0));
  RLHF_ASSIGN_OR_RETURN(
      info->local_world_size,
      variables.NumberOr(local_world_size, 1, info->world_size, 1));
  return absl::OkStatus();
}

// MASTER_ADDR and MASTER_PORT if they are set, else these.
absl::Status ReadMaster(const LaunchVariables& variables,
                        const std::string& address, int port,
                        LaunchInfo* info) {
  info->master_address =
      variables.Has("MASTER_ADDR") ? variables.Text("MASTER_ADDR") : address;
  RLHF_ASSIGN_OR_RETURN(info->master_port,
                        variables.NumberOr("MASTER_PORT", 1, kMaxPort, port));
  return absl::OkStatus();
}

// Every rank of a step computes the same, and two steps of one node hardly
// ever.
int SlurmPort(const LaunchVariables& variables) {
  constexpr int kFirst = 20000, kCount = 10000;
  // Without a sign, so that any number gives a port.
  uint64_t job = 0, step = 0;
  // Absent, or one of Slurm's words for a special step: as good as 0.
  (void)absl::SimpleAtoi(variables.Text("SLURM_JOB_ID"), &job);
  (void)absl::SimpleAtoi(variables.Text("SLURM_STEP_ID"), &step);
  return kFirst + static_cast<int>((job * 101 + step) % kCount);
}

// mpirun in a Slurm job has srun start one helper a node, and the ranks inherit
// the helper's variables. An srun that speaks PMI itself says the same in both.
bool IsOfMpirun(const LaunchVariables& variables) {
  if (variables.Has("OMPI_COMM_WORLD_RANK") ||
      variables.Has("OMPI_COMM_WORLD_SIZE")) {
    return true;
  }
  const auto differ = [&](const char* mpi, const char* slurm) {
    return variables.Has(mpi) && variables.Text(mpi) != variables.Text(slurm);
  };
  return differ("PMI_RANK", "SLURM_PROCID") ||
         differ("PMI_SIZE", "SLURM_STEP_NUM_TASKS");
}

}  // namespace

Launch FromFlags(const LaunchFlags& flags) {
  std::map<std::string, std::string> given = {
      {"--rank", flags.rank}, {"--world-size", flags.world_size}};
  const size_t colon = flags.master.rfind(':');
  given["--master"] = flags.master.substr(0, colon);
  given["--master port"] =
      colon == std::string::npos ? "" : flags.master.substr(colon + 1);
  const LaunchVariables variables(given);
  if (!variables.Has("--rank") && !variables.Has("--world-size") &&
      flags.master.empty()) {
    return std::nullopt;
  }
  RLHF_RETURN_IF_ERROR(
      variables.RequireAll({"--rank", "--world-size", "--master"},
                           "give all three, or none to go by the environment"));
  RLHF_ASSIGN_OR_RETURN(LaunchInfo info,
                        Ranks(variables, "flags", "--rank", "--world-size"));
  info.master_address = variables.Text("--master");
  RLHF_ASSIGN_OR_RETURN(info.master_port,
                        variables.Number("--master port", 1, kMaxPort));
  return info;
}

Launch FromTorchrun(const LaunchVariables& variables) {
  // WORLD_SIZE alone may be a JobSet's, which has no other name for it.
  const bool is_job_set = variables.Has("JOB_COMPLETION_INDEX");
  if (!variables.Has("RANK") && (!variables.Has("WORLD_SIZE") || is_job_set)) {
    return std::nullopt;
  }
  RLHF_RETURN_IF_ERROR(
      variables.RequireAll({"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"},
                           "set all four (torchrun does) or none"));
  RLHF_ASSIGN_OR_RETURN(LaunchInfo info,
                        Ranks(variables, "torchrun", "RANK", "WORLD_SIZE"));
  RLHF_RETURN_IF_ERROR(
      ReadLocal(variables, "LOCAL_RANK", "LOCAL_WORLD_SIZE", &info));
  RLHF_RETURN_IF_ERROR(ReadMaster(variables, "", 0, &info));
  RLHF_ASSIGN_OR_RETURN(
      info.restart_count,
      variables.NumberOr("TORCHELASTIC_RESTART_COUNT", 0, kMaxRanks, 0));
  info.agent_store = variables.Text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  return info;
}

Launch FromPet(const LaunchVariables& variables) {
  if (!variables.Has("PET_NNODES") && !variables.Has("PET_NODE_RANK")) {
    return std::nullopt;
  }
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {"PET_NNODES", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"},
      "set all four (Kubeflow Trainer does), or start with `torchrun "
      "--no-python`, which reads them itself"));
  // Nobody started further processes here.
  const std::string processes = variables.Text("PET_NPROC_PER_NODE");
  if (!processes.empty() && processes != "1") {
    return LaunchError(absl::StrCat(
        "PET_NPROC_PER_NODE=\"", processes,
        "\", but RANK is not set, so no torchrun has started that many; set it "
        "to 1 (numProcPerNode of a TrainJob) or start with `torchrun "
        "--no-python`"));
  }
  RLHF_ASSIGN_OR_RETURN(LaunchInfo info,
                        Ranks(variables, "PET", "PET_NODE_RANK", "PET_NNODES"));
  info.master_address = variables.Text("PET_MASTER_ADDR");
  RLHF_ASSIGN_OR_RETURN(info.master_port,
                        variables.Number("PET_MASTER_PORT", 1, kMaxPort));
  return info;
}

Launch FromLeaderWorkerSet(const LaunchVariables& variables) {
  if (!variables.Has("LWS_LEADER_ADDRESS") &&
      !variables.Has("LWS_WORKER_INDEX") && !variables.Has("LWS_GROUP_SIZE")) {
    return std::nullopt;
  }
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {"LWS_LEADER_ADDRESS", "LWS_WORKER_INDEX", "LWS_GROUP_SIZE"},
      "LeaderWorkerSet sets all three in each container; do not override "
      "them"));
  RLHF_ASSIGN_OR_RETURN(LaunchInfo info,
                        Ranks(variables, "LeaderWorkerSet", "LWS_WORKER_INDEX",
                              "LWS_GROUP_SIZE"));
  RLHF_RETURN_IF_ERROR(ReadMaster(
      variables, variables.Text("LWS_LEADER_ADDRESS"), kDefaultPort, &info));
  return info;
}

Launch FromJobSet(const LaunchVariables& variables) {
  if (!variables.Has("JOB_COMPLETION_INDEX")) return std::nullopt;
  // Kubernetes tells a pod its index but not of how many; to guess 1 would
  // start as many learners as there are pods.
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {"JOB_COMPLETION_INDEX", "WORLD_SIZE"},
      "set WORLD_SIZE to the job's completions, or to 1 where each pod works "
      "alone"));
  if (variables.Text("WORLD_SIZE") == "1") return LaunchInfo();
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {"JOB_COMPLETION_INDEX", "WORLD_SIZE", "MASTER_ADDR"},
      "set it to the name of the pod with index 0, such as "
      "JOBSET-JOB-0-0.JOBSET"));
  RLHF_ASSIGN_OR_RETURN(
      LaunchInfo info,
      Ranks(variables, "JobSet", "JOB_COMPLETION_INDEX", "WORLD_SIZE"));
  RLHF_RETURN_IF_ERROR(ReadMaster(variables, "", kDefaultPort, &info));
  return info;
}

Launch FromSlurm(const LaunchVariables& variables) {
  // A batch script has SLURM_PROCID and SLURM_NTASKS, too, but is one process.
  if (!variables.Has("SLURM_STEP_NODELIST") &&
      !variables.Has("SLURM_STEP_NUM_TASKS")) {
    return std::nullopt;
  }
  if (IsOfMpirun(variables)) return std::nullopt;
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST"},
      "srun sets all three; start with srun and pass its environment on"));
  RLHF_ASSIGN_OR_RETURN(
      LaunchInfo info,
      Ranks(variables, "Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"));
  const auto host = FirstHost(variables.Text("SLURM_STEP_NODELIST"));
  if (!host.ok()) {
    return LaunchError(
        absl::StrCat("SLURM_STEP_NODELIST: ", host.status().message()));
  }
  RLHF_RETURN_IF_ERROR(
      ReadMaster(variables, *host, SlurmPort(variables), &info));
  RLHF_ASSIGN_OR_RETURN(
      info.local_rank,
      variables.NumberOr("SLURM_LOCALID", 0, info.world_size - 1, 0));
  RLHF_ASSIGN_OR_RETURN(const int node,
                        variables.NumberOr("SLURM_NODEID", 0, kMaxRanks, 0));
  if (variables.Has("SLURM_STEP_TASKS_PER_NODE")) {
    const auto tasks =
        TasksOnNode(variables.Text("SLURM_STEP_TASKS_PER_NODE"), node);
    if (!tasks.ok()) {
      return LaunchError(absl::StrCat("SLURM_STEP_TASKS_PER_NODE: ",
                                      tasks.status().message()));
    }
    info.local_world_size = std::min(*tasks, info.world_size);
  }
  // Not set before the first requeue.
  RLHF_ASSIGN_OR_RETURN(
      info.restart_count,
      variables.NumberOr("SLURM_RESTART_COUNT", 0, kMaxRanks, 0));
  return info;
}

Launch FromMpi(const LaunchVariables& variables) {
  const bool is_open_mpi = variables.Has("OMPI_COMM_WORLD_RANK") ||
                           variables.Has("OMPI_COMM_WORLD_SIZE");
  if (!is_open_mpi && !variables.Has("PMI_RANK") &&
      !variables.Has("PMI_SIZE")) {
    return std::nullopt;
  }
  const std::string rank = is_open_mpi ? "OMPI_COMM_WORLD_RANK" : "PMI_RANK";
  const std::string size = is_open_mpi ? "OMPI_COMM_WORLD_SIZE" : "PMI_SIZE";
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {rank, size}, "mpirun sets both; do not override them"));
  RLHF_ASSIGN_OR_RETURN(LaunchInfo info, Ranks(variables, "MPI", rank, size));
  if (info.world_size == 1) return info;
  RLHF_RETURN_IF_ERROR(variables.RequireAll(
      {rank, size, "MASTER_ADDR"},
      "MPI does not tell where rank 0 runs: set it, such as mpirun -x "
      "MASTER_ADDR=HOST"));
  RLHF_RETURN_IF_ERROR(ReadMaster(variables, "", kDefaultPort, &info));
  RLHF_RETURN_IF_ERROR(
      is_open_mpi
          ? ReadLocal(variables, "OMPI_COMM_WORLD_LOCAL_RANK",
                      "OMPI_COMM_WORLD_LOCAL_SIZE", &info)
          : ReadLocal(variables, "MPI_LOCALRANKID", "MPI_LOCALNRANKS", &info));
  return info;
}

}  // namespace rlhf
