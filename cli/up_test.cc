// RunUp with this test binary in the place of the rlhf binary: main() below
// plays the roles, so that no model is needed.
#include "cli/up.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/run_directory.h"
#include "cli/status.h"
#include "core/base/file.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/config/run_config.h"
#include "core/telemetry/listen_socket.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A rank other than 0: tells where it would meet the others, and waits.
int PlayFollower(const std::string& run_dir) {
  const std::string met =
      absl::StrCat(std::getenv("RANK"), " of ", std::getenv("WORLD_SIZE"),
                   " at ", std::getenv("MASTER_ADDR"), " with ",
                   std::getenv("OMP_NUM_THREADS"), " thread(s)");
  if (!AppendLine(run_dir + "/followers", met).ok()) return 1;
  WaitForShutdown(absl::Minutes(1));
  return 0;
}

// Does the first update and dies; when restarted, does the second.
int PlayLearner(const std::string& run_dir) {
  const char* const rank = std::getenv("RANK");
  if (rank != nullptr && std::string(rank) != "0") return PlayFollower(run_dir);
  const char* const ranks = std::getenv("WORLD_SIZE");
  printf("rank %s of %s\n", rank == nullptr ? "?" : rank,
         ranks == nullptr ? "?" : ranks);
  const std::string metrics = run_dir + "/metrics.jsonl";
  if (absl::StrContains(run_dir, "mistaken")) {
    fputs("ppo.num_updates is odd\n", stderr);
    return 2;
  }
  const bool restarted = FileExists(metrics);
  v1::UpdateReport update;
  update.set_update(restarted ? 2 : 1);
  update.set_policy_version(update.update());
  if (!AppendLine(metrics, ProtoToJsonLine(update)).ok()) return 1;
  return restarted ? 0 : 1;
}

int PlayEvaluation(const std::string& run_dir) {
  v1::GoldEvaluation gold;
  gold.set_num_prompts(5);
  gold.set_final_policy_version(2);
  return WriteFileAtomically(run_dir + "/gold.json", ProtoToPrettyJson(gold))
                 .ok()
             ? 0
             : 1;
}

// One of several alike: says what it was told, and waits.
int PlayOneOfMany(const std::vector<std::string>& arguments) {
  printf("%s with %s thread(s)\n", absl::StrJoin(arguments, " ").c_str(),
         std::getenv("OMP_NUM_THREADS"));
  fflush(stdout);
  WaitForShutdown(absl::Minutes(1));
  return 0;
}

int PlayRole(const std::vector<std::string>& arguments) {
  const std::string& role = arguments.front();
  const std::string& config_path = arguments.back();
  const std::string run_dir = config_path.substr(0, config_path.rfind('/'));
  if (role == "learner") return PlayLearner(run_dir);
  if (role == "eval") return PlayEvaluation(run_dir);
  if (role == "crowd") return 0;
  if (role == "actor" || role == "reward-server") {
    return PlayOneOfMany(arguments);
  }
  WaitForShutdown(absl::Minutes(1));
  return 0;
}

class UpTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 100; ++i) {
      absl::StrAppend(&lines, "{\"prompt\": \"What is ", i, "?\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(dir_ / "prompts.jsonl", lines));
  }

  v1::RunConfig MakeConfig(const std::string& name) {
    v1::RunConfig config;
    config.mutable_preference()->set_refresh_every(8);
    config.set_name(name);
    config.set_runs_dir(dir_.path());
    config.set_initial_policy("model");
    config.set_prompts(dir_ / "prompts.jsonl");
    config.mutable_ppo()->set_num_updates(2);
    config.mutable_evaluation()->set_num_prompts(5);
    config.mutable_crowd()->add_workers()->set_worker_id("ann");
    SetFreePorts(config);
    return config;
  }

  static absl::Status Up(const v1::RunConfig& config, std::string* output) {
    testing::internal::CaptureStdout();
    const absl::Status status = RunUp(config, /*plain=*/true);
    *output = testing::internal::GetCapturedStdout();
    return status;
  }

  const TempDir dir_;
};

TEST_F(UpTest, RunSurvivesADeadLearnerAndEndsWithAReport) {
  const v1::RunConfig config = MakeConfig("good");
  std::string output;
  ASSERT_OK(Up(config, &output));
  EXPECT_THAT(output,
              AllOf(HasSubstr("learner exited with code 1; restart in 500ms"),
                    HasSubstr("crowd is done"), HasSubstr("update 1/2"),
                    HasSubstr("update 2/2"), HasSubstr("run good: 2 updates")));

  v1::Report report;
  ASSERT_OK(JsonToProto(*ReadFile(dir_ / "good/report.json"), &report));
  EXPECT_EQ(report.updates_size(), 2);
  EXPECT_EQ(report.gold().num_prompts(), 5);
  EXPECT_GT(report.wall_seconds(), 0);
  ASSERT_EQ(report.processes_size(), 7);
  for (const v1::ProcessReport& process : report.processes()) {
    EXPECT_EQ(process.num_restarts(), process.role() == "learner" ? 1 : 0)
        << process.role();
  }

  ASSERT_OK(Up(config, &output));
  EXPECT_THAT(output, AllOf(HasSubstr("run good is finished already"),
                            HasSubstr("run good: 2 updates")));
  EXPECT_THAT(PrintStatus(config, /*json=*/true),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("run \"good\" is finished; see ")));
}

TEST_F(UpTest, TheLearnersRanksStartAndRestartTogether) {
  v1::RunConfig config = MakeConfig("ranks");
  config.set_threads(5);
  config.mutable_learner()->set_num_ranks(2);
  std::string output;
  ASSERT_OK(Up(config, &output));
  EXPECT_THAT(output, AllOf(HasSubstr("learner exited with code 1; restart"),
                            HasSubstr("learner-1 restarted")));
  const std::string met = "1 of 2 at 127.0.0.1 with 2 thread(s)\n";
  EXPECT_EQ(*ReadFile(dir_ / "ranks/followers"), met + met);
}

TEST_F(UpTest, SeveralActorsAndRewardServersHaveWhatIsTheirOwn) {
  v1::RunConfig config = MakeConfig("many");
  const std::vector<int> ports = FreePorts(3);
  const std::string second = absl::StrCat("127.0.0.1:", ports[0]);
  config.mutable_reward_server()->set_address(
      absl::StrCat(config.reward_server().address(), ",", second));
  v1::UpConfig& up = *config.mutable_up();
  up.set_num_reward_servers(2);
  up.set_reward_server_metrics_port(ports[1] - 1);
  up.set_num_actors(2);
  up.set_actor_metrics_port(ports[2] - 1);
  v1::RoleResources& resources = *up.add_resources();
  resources.set_role("actor");
  resources.set_threads(7);
  std::string output;
  ASSERT_OK(Up(config, &output));
  EXPECT_THAT(output, AllOf(HasSubstr("actor-1 started"),
                            HasSubstr("reward-server-1 started")));
  const auto said = [&](const std::string& process) {
    return ReadFile(dir_ / ("many/logs/" + process + ".log")).value_or("");
  };
  const std::string path = " --config " + (dir_ / "many/config.txtpb");
  EXPECT_EQ(said("actor"),
            absl::StrCat("actor --set threads=7", path, " with 7 thread(s)\n"));
  EXPECT_EQ(said("actor-1"),
            absl::StrCat("actor --set threads=7 --set actor.address=127.0.0.1:0"
                         " --set actor.metrics_port=",
                         ports[2], path, " with 7 thread(s)\n"));
  EXPECT_EQ(said("reward-server"),
            absl::StrCat("reward-server", path, " with 2 thread(s)\n"));
  EXPECT_EQ(said("reward-server-1"),
            absl::StrCat("reward-server --set reward_server.address=", second,
                         " --set reward_server.metrics_port=", ports[1], path,
                         " with 2 thread(s)\n"));
}

// `rlhf up` in a Slurm step: the step's tasks are not the learner's ranks.
TEST_F(UpTest, ASingleLearnerIsToldThatItIsAlone) {
  std::string output;
  ASSERT_OK(Up(MakeConfig("alone"), &output));
  EXPECT_THAT(ReadFile(dir_ / "alone/logs/learner.log").value_or(""),
              HasSubstr("rank 0 of 1\n"));
}

TEST_F(UpTest, CoresThatAreNotHereAreRefusedBeforeAnythingStarts) {
  v1::RunConfig config = MakeConfig("cores");
  v1::RoleResources& resources = *config.mutable_up()->add_resources();
  resources.set_role("learner");
  resources.set_cpus("1023");
  std::string output;
  EXPECT_THAT(Up(config, &output),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("up.resources[0].cpus: 1023")));
  EXPECT_FALSE(FileExists(dir_ / "cores/logs/learner.log"));
}

TEST_F(UpTest, RolesMistakeEndsTheRunWithItsWords) {
  std::string output;
  EXPECT_THAT(Up(MakeConfig("mistaken"), &output),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("learner exited with code 2"),
                             HasSubstr("ppo.num_updates is odd"))));
  EXPECT_FALSE(FileExists(dir_ / "mistaken/report.json"));
}

TEST_F(UpTest, TakenPortIsRefusedBeforeAnythingStarts) {
  v1::RunConfig config = MakeConfig("taken");
  ASSERT_OK_AND_ASSIGN(const ListenSocket taken, Listen("127.0.0.1:0"));
  config.mutable_feedback()->set_http_address(
      absl::StrCat("127.0.0.1:", taken.port));
  std::string output;
  EXPECT_THAT(Up(config, &output),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("feedback.http_address")));
  ::close(taken.fd);
  EXPECT_FALSE(FileExists(dir_ / "taken/logs/learner.log"));
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  rlhf::InstallShutdownHandler();
  // The configuration is always the last argument.
  if (argc > 2 && absl::EndsWith(argv[argc - 1], "/config.txtpb")) {
    return rlhf::PlayRole({argv + 1, argv + argc});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
