#include "core/launch/launch_environment.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

using Environment = std::map<std::string, std::string>;

// What torchrun 2.15 gives to the second of two processes on one host, as far
// as it matters here.
Environment Torchrun() {
  return {{"RANK", "1"},
          {"LOCAL_RANK", "1"},
          {"WORLD_SIZE", "2"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"GROUP_RANK", "0"},
          {"MASTER_ADDR", "localhost"},
          {"MASTER_PORT", "39179"},
          {"TORCHELASTIC_RESTART_COUNT", "3"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
}

Environment With(Environment environment, const std::string& name,
                 const std::string& value) {
  environment[name] = value;
  return environment;
}

Environment Without(Environment environment, const std::string& name) {
  environment.erase(name);
  return environment;
}

Environment Merged(Environment environment, const Environment& more) {
  environment.insert(more.begin(), more.end());
  return environment;
}

void ExpectRefused(const Environment& environment, const std::string& message) {
  EXPECT_THAT(
      DetectLaunch(environment),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("launch environment: "), HasSubstr(message))));
}

// What each launcher gives a process, as far as it matters here, and what is
// made of it.
struct LauncherCase {
  std::string name;
  Environment environment;
  std::string line;
  int local_rank = 0;
  int local_world_size = 1;
};

// Kubeflow Trainer 2, the second of two nodes.
Environment Pet() {
  return {{"PET_NNODES", "2"},
          {"PET_NPROC_PER_NODE", "1"},
          {"PET_NODE_RANK", "1"},
          {"PET_MASTER_ADDR", "run-node-0-0.run"},
          {"PET_MASTER_PORT", "29400"}};
}

Environment LeaderWorkerSet() {
  return {{"LWS_LEADER_ADDRESS", "learner-0.learner.default"},
          {"LWS_GROUP_SIZE", "4"},
          {"LWS_WORKER_INDEX", "3"}};
}

Environment JobSet() {
  return {{"JOB_COMPLETION_INDEX", "1"},
          {"WORLD_SIZE", "2"},
          {"MASTER_ADDR", "loop-learner-0-0.loop"},
          {"MASTER_PORT", "3389"}};
}

// srun of Slurm 22.05: the third task, on the second of two nodes.
Environment Slurm() {
  return {{"SLURM_JOB_ID", "77"},
          {"SLURM_STEP_ID", "1"},
          {"SLURM_PROCID", "2"},
          {"SLURM_NTASKS", "3"},
          {"SLURM_LOCALID", "0"},
          {"SLURM_NODEID", "1"},
          {"SLURM_STEP_NUM_TASKS", "3"},
          {"SLURM_STEP_NODELIST", "gpu[07-08]"},
          {"SLURM_STEP_TASKS_PER_NODE", "2,1"}};
}

Environment OpenMpi() {
  return {{"OMPI_COMM_WORLD_RANK", "1"},
          {"OMPI_COMM_WORLD_SIZE", "2"},
          {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
          {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
          {"PMIX_RANK", "1"},
          {"MASTER_ADDR", "10.0.0.1"}};
}

std::vector<LauncherCase> LauncherCases() {
  return {
      {"Nothing", {{"HOME", "/root"}}, "launch: single process"},
      {"Torchrun", Torchrun(),
       "launch: torchrun rank 1/2 master localhost:39179 restart 3", 1, 2},
      {"TorchrunInASlurmStep", Merged(Slurm(), Torchrun()),
       "launch: torchrun rank 1/2 master localhost:39179 restart 3", 1, 2},
      // PyTorchJob sets both.
      {"RankBesidePet", Merged(Pet(), Torchrun()),
       "launch: torchrun rank 1/2 master localhost:39179 restart 3", 1, 2},
      {"Pet", Pet(),
       "launch: PET rank 1/2 master run-node-0-0.run:29400 "
       "restart 0"},
      {"LeaderWorkerSet", LeaderWorkerSet(),
       "launch: LeaderWorkerSet rank 3/4 master "
       "learner-0.learner.default:29500 restart 0"},
      {"LeaderWorkerSetWithAPort",
       With(LeaderWorkerSet(), "MASTER_PORT", "4000"),
       "launch: LeaderWorkerSet rank 3/4 master "
       "learner-0.learner.default:4000 restart 0"},
      {"JobSet", JobSet(),
       "launch: JobSet rank 1/2 master loop-learner-0-0.loop:3389 restart 0"},
      {"IndexedJobOfSinglePods",
       {{"JOB_COMPLETION_INDEX", "7"}, {"WORLD_SIZE", "1"}},
       "launch: single process"},
      {"Slurm", Slurm(), "launch: Slurm rank 2/3 master gpu07:27778 restart 0",
       0, 1},
      {"SlurmRequeued",
       With(With(Slurm(), "SLURM_RESTART_COUNT", "2"), "SLURM_NODEID", "0"),
       "launch: Slurm rank 2/3 master gpu07:27778 restart 2", 0, 2},
      {"SlurmWithTheScriptsMaster",
       With(With(Slurm(), "MASTER_ADDR", "10.1.2.3"), "MASTER_PORT", "29500"),
       "launch: Slurm rank 2/3 master 10.1.2.3:29500 restart 0", 0, 1},
      // sbatch --ntasks=3: no step.
      {"SlurmBatchScript",
       {{"SLURM_JOB_ID", "77"},
        {"SLURM_PROCID", "0"},
        {"SLURM_NTASKS", "3"},
        {"SLURM_LOCALID", "0"},
        {"SLURM_NODEID", "0"},
        {"SLURM_JOB_NODELIST", "gpu[07-08]"}},
       "launch: single process"},
      {"OpenMpi", OpenMpi(),
       "launch: MPI rank 1/2 master 10.0.0.1:29500 restart 0", 1, 2},
      {"OpenMpiInASlurmJob", Merged(Slurm(), OpenMpi()),
       "launch: MPI rank 1/2 master 10.0.0.1:29500 restart 0", 1, 2},
      // Hydra's helper is task 2 of 3, this the fifth of six ranks.
      {"IntelMpiInASlurmJob",
       Merged(Slurm(), {{"PMI_RANK", "4"},
                        {"PMI_SIZE", "6"},
                        {"MPI_LOCALRANKID", "0"},
                        {"MPI_LOCALNRANKS", "2"},
                        {"MASTER_ADDR", "a"}}),
       "launch: MPI rank 4/6 master a:29500 restart 0", 0, 2},
      {"SrunWithPmi2", Merged(Slurm(), {{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}}),
       "launch: Slurm rank 2/3 master gpu07:27778 restart 0", 0, 1},
      {"Mpich",
       {{"PMI_RANK", "0"},
        {"PMI_SIZE", "2"},
        {"MPI_LOCALRANKID", "0"},
        {"MPI_LOCALNRANKS", "1"},
        {"MASTER_ADDR", "a"},
        {"MASTER_PORT", "1"}},
       "launch: MPI rank 0/2 master a:1 restart 0"},
      {"MpirunOfOne",
       {{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}},
       "launch: MPI rank 0/1 restart 0"},
  };
}

TEST(DetectLaunchTest, KnowsEachLauncher) {
  for (const LauncherCase& launcher : LauncherCases()) {
    SCOPED_TRACE(launcher.name);
    ASSERT_OK_AND_ASSIGN(const LaunchInfo info,
                         DetectLaunch(launcher.environment));
    EXPECT_EQ(info.OneLine(), launcher.line);
    EXPECT_EQ(info.local_rank, launcher.local_rank);
    EXPECT_EQ(info.local_world_size, launcher.local_world_size);
    EXPECT_EQ(info.agent_store,
              launcher.environment.contains("TORCHELASTIC_USE_AGENT_STORE"));
  }
}

TEST(DetectLaunchTest, FlagsComeBeforeAllElse) {
  ASSERT_OK_AND_ASSIGN(
      const LaunchInfo info,
      DetectLaunch(Torchrun(),
                   {.rank = "2", .world_size = "3", .master = "[::1]:99"}));
  EXPECT_EQ(info.OneLine(), "launch: flags rank 2/3 master [::1]:99 restart 0");
  EXPECT_FALSE(info.agent_store);
}

TEST(DetectLaunchTest, NamesTheFlagThatIsMissingOrWrong) {
  const auto expect = [](const LaunchFlags& flags, const std::string& message) {
    EXPECT_THAT(DetectLaunch({}, flags),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect({.rank = "0"},
         "--rank is set, but --world-size, --master are not; give all three");
  expect({.master = "a:1"}, "--master is set, but --rank, --world-size are");
  expect({.rank = "2", .world_size = "2", .master = "a:1"}, "--rank=\"2\"");
  expect({.rank = "0", .world_size = "2", .master = "a"},
         "--master port=\"\"; wanted a number from 1 to 65535");
}

TEST(DetectLaunchTest, NamesWhatOtherLaunchersLeaveOut) {
  const struct {
    Environment environment;
    std::string message;
  } kCases[] = {
      {Without(Pet(), "PET_MASTER_ADDR"), "but PET_MASTER_ADDR is not"},
      {Without(Pet(), "PET_NODE_RANK"), "but PET_NODE_RANK is not"},
      {With(Pet(), "PET_NPROC_PER_NODE", "auto"),
       "PET_NPROC_PER_NODE=\"auto\", but RANK is not set"},
      {With(Pet(), "PET_NNODES", "1:4"), "PET_NNODES=\"1:4\"; wanted a number"},
      {Without(LeaderWorkerSet(), "LWS_GROUP_SIZE"),
       "but LWS_GROUP_SIZE is not"},
      {With(LeaderWorkerSet(), "LWS_WORKER_INDEX", "4"),
       "LWS_WORKER_INDEX=\"4\"; wanted a number from 0 to 3"},
      {{{"JOB_COMPLETION_INDEX", "0"}},
       "JOB_COMPLETION_INDEX is set, but WORLD_SIZE is not"},
      {Without(JobSet(), "MASTER_ADDR"), "but MASTER_ADDR is not"},
      {Without(Slurm(), "SLURM_PROCID"), "but SLURM_PROCID is not; srun"},
      {Without(Slurm(), "SLURM_STEP_NODELIST"),
       "but SLURM_STEP_NODELIST is not"},
      {With(Slurm(), "SLURM_STEP_NODELIST", "gpu[07"),
       "SLURM_STEP_NODELIST: \"gpu[07\" is no list of hosts"},
      {With(Slurm(), "SLURM_NODEID", "2"),
       "SLURM_STEP_TASKS_PER_NODE: \"2,1\" does not say how many tasks node 2"},
      {Without(OpenMpi(), "OMPI_COMM_WORLD_SIZE"),
       "but OMPI_COMM_WORLD_SIZE is not"},
      {Without(OpenMpi(), "MASTER_ADDR"), "but MASTER_ADDR is not; MPI does"},
  };
  for (const auto& half_set : kCases) {
    ExpectRefused(half_set.environment, half_set.message);
  }
}

TEST(DetectLaunchTest, ReadsWhatTorchrunSets) {
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info, DetectLaunch(Torchrun()));
  EXPECT_EQ(info.launcher, "torchrun");
  EXPECT_EQ(info.rank, 1);
  EXPECT_EQ(info.world_size, 2);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_world_size, 2);
  EXPECT_EQ(info.master_address, "localhost");
  EXPECT_EQ(info.master_port, 39179);
  EXPECT_EQ(info.restart_count, 3);
  EXPECT_TRUE(info.agent_store);
  EXPECT_EQ(info.OneLine(),
            "launch: torchrun rank 1/2 master localhost:39179 restart 3");
}

TEST(DetectLaunchTest, TheFourVariablesAreEnough) {
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info,
                       DetectLaunch({{"RANK", "0"},
                                     {"WORLD_SIZE", "1"},
                                     {"MASTER_ADDR", "10.0.0.1"},
                                     {"MASTER_PORT", "29500"}}));
  EXPECT_EQ(info.world_size, 1);
  EXPECT_EQ(info.local_rank, 0);
  EXPECT_EQ(info.restart_count, 0);
  EXPECT_FALSE(info.agent_store);
}

TEST(DetectLaunchTest, NamesEachMissingVariable) {
  for (const char* name :
       {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    const std::string message = std::string("but ") + name + " is not";
    Environment environment = Torchrun();
    environment.erase(name);
    ExpectRefused(environment, message);
    ExpectRefused(With(Torchrun(), name, ""), message);
  }
  ExpectRefused({{"RANK", "0"}},
                "RANK is set, but WORLD_SIZE, MASTER_ADDR, MASTER_PORT are "
                "not; set all four (torchrun does) or none");
  ExpectRefused({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}},
                "MASTER_ADDR, MASTER_PORT are set, but RANK, WORLD_SIZE are "
                "not");
}

TEST(DetectLaunchTest, RefusesNumbersOutOfRange) {
  ExpectRefused(With(Torchrun(), "RANK", "2"),
                "RANK=\"2\"; wanted a number from 0 to 1");
  ExpectRefused(With(Torchrun(), "RANK", "-1"), "RANK=\"-1\"");
  ExpectRefused(With(Torchrun(), "WORLD_SIZE", "0"), "WORLD_SIZE=\"0\"");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "0"), "from 1 to 65535");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "65536"), "from 1 to 65535");
  ExpectRefused(With(Torchrun(), "LOCAL_RANK", "2"),
                "LOCAL_RANK=\"2\"; wanted a number from 0 to 1");
  ExpectRefused(With(Torchrun(), "LOCAL_WORLD_SIZE", ""),
                "local rank 1 of 1 on this machine; set both");
}

TEST(DetectLaunchTest, RefusesWhatIsNoNumber) {
  ExpectRefused(With(Torchrun(), "RANK", "one"),
                "RANK=\"one\"; wanted a number");
  ExpectRefused(With(Torchrun(), "WORLD_SIZE", "2x"), "WORLD_SIZE=\"2x\"");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "tcp"), "MASTER_PORT=\"tcp\"");
  ExpectRefused(With(Torchrun(), "TORCHELASTIC_RESTART_COUNT", "?"),
                "TORCHELASTIC_RESTART_COUNT=\"?\"");
}

TEST(ReadEnvironmentTest, SplitsAtTheFirstEqualsSign) {
  ::setenv("RLHF_LAUNCH_TEST", "a=b", /*overwrite=*/1);
  EXPECT_EQ(ReadEnvironment()["RLHF_LAUNCH_TEST"], "a=b");
}

}  // namespace
}  // namespace rlhf
