#include "cli/run_directory.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/telemetry/listen_socket.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

v1::RunConfig MakeConfig() {
  v1::RunConfig config;
  config.set_name("test");
  config.set_initial_policy("model");
  config.set_prompts("prompts.jsonl");
  return config;
}

TEST(PrepareRunDirectoryTest, WritesEveryFieldOfANewRun) {
  const TempDir dir;
  ASSERT_OK(PrepareRunDirectory(dir / "run", MakeConfig()));
  const std::string text = *ReadFile(dir / "run/config.txtpb");
  EXPECT_THAT(text, HasSubstr("initial_policy: \"model\""));
  EXPECT_THAT(text, HasSubstr("num_updates: 24"));
  EXPECT_TRUE(FileExists(dir / "run/logs"));
}

TEST(PrepareRunDirectoryTest, RunGoesOnWithOtherThreadsPortsAndLength) {
  const TempDir dir;
  v1::RunConfig config = MakeConfig();
  ASSERT_OK(PrepareRunDirectory(dir / "run", config));
  config.set_threads(7);
  config.mutable_ppo()->set_num_updates(99);
  config.mutable_learner()->set_address("127.0.0.1:9");
  config.mutable_feedback()->set_http_address("127.0.0.1:10");
  config.mutable_actor()->set_metrics_port(11);
  config.mutable_learner()->set_num_ranks(2);
  config.mutable_learner()->set_checkpoint_every(1);
  config.mutable_learner()->set_on_divergence(v1::LearnerConfig::SKIP);
  config.mutable_tracing()->set_rollout_share(0.01);
  ASSERT_OK(PrepareRunDirectory(dir / "run", config));
  EXPECT_THAT(*ReadFile(dir / "run/config.txtpb"), HasSubstr("threads: 7"));
}

TEST(PrepareRunDirectoryTest, WhoComesInAndWhatIsLetInMayChange) {
  const TempDir dir;
  v1::RunConfig config = MakeConfig();
  ASSERT_OK(PrepareRunDirectory(dir / "run", config));
  v1::FeedbackConfig& feedback = *config.mutable_feedback();
  feedback.mutable_access()->set_require_login(true);
  feedback.mutable_access()->set_public_origin("https://a.example");
  feedback.set_webhook_secret_file("secret");
  feedback.set_price_per_answer(0.5);
  feedback.set_max_answers_per_worker(9);
  feedback.mutable_batch_gate()->set_min_size(7);
  feedback.mutable_worker_test()->set_bad_accuracy(0.5);
  config.mutable_tls()->set_ca("ca.pem");
  config.mutable_tls()->set_certificate("{role}.pem");
  config.mutable_tls()->set_key("{role}.key");
  EXPECT_OK(PrepareRunDirectory(dir / "run", config));
}

TEST(PrepareRunDirectoryTest, RefusesAnyOtherDifferenceAndShowsIt) {
  const TempDir dir;
  v1::RunConfig config = MakeConfig();
  ASSERT_OK(PrepareRunDirectory(dir / "run", config));
  config.set_seed(2);
  config.set_threads(7);
  EXPECT_THAT(
      PrepareRunDirectory(dir / "run", config),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("seed: 1 -> 2"), Not(HasSubstr("threads")),
                     HasSubstr("--set name=OTHER"), HasSubstr("remove "))));
  EXPECT_THAT(*ReadFile(dir / "run/config.txtpb"), HasSubstr("seed: 1"));
}

TEST(RunLockTest, SecondProcessIsRefusedUntilTheFirstEnds) {
  const TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(const RunLock first, RunLock::Acquire(dir.path()));
    EXPECT_THAT(RunLock::Acquire(dir.path()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("another `rlhf up` works on")));
  }
  EXPECT_OK(RunLock::Acquire(dir.path()));
}

TEST(CheckPortsFreeTest, NamesFieldAddressAndAdviceOfATakenPort) {
  ASSERT_OK_AND_ASSIGN(const ListenSocket taken, Listen("127.0.0.1:0"));
  const std::string address = absl::StrCat("127.0.0.1:", taken.port);
  EXPECT_THAT(CheckPortsFree({{"actor.address", address}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("actor.address"), HasSubstr(address),
                             HasSubstr("in use"),
                             HasSubstr("--set actor.address=127.0.0.1:PORT"))));
  EXPECT_THAT(
      CheckPortsFree({{"learner.rank_metrics_port plus rank 2", address}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("plus rank 2: "),
                     HasSubstr("--set learner.rank_metrics_port=PORT; "))));
  ::close(taken.fd);
  EXPECT_OK(CheckPortsFree({{"actor.address", address}}));
}

TEST(CheckPortsFreeTest, RefusesTwoFieldsWithOnePort) {
  ASSERT_OK_AND_ASSIGN(const ListenSocket socket, Listen("127.0.0.1:0"));
  ::close(socket.fd);
  const std::string address = absl::StrCat("127.0.0.1:", socket.port);
  EXPECT_THAT(CheckPortsFree(
                  {{"actor.address", address}, {"learner.address", address}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("learner.address: ", address,
                                              " is also actor.address"))));
}

TEST(ListenFieldsTest, DefaultsNameDifferentPortsForEveryProcess) {
  v1::RunConfig config = MakeConfig();
  EXPECT_EQ(ListenFields(config).size(), 11);
  config.mutable_learner()->set_num_ranks(3);
  config.mutable_crowd()->add_workers()->set_worker_id("ann");
  const std::vector<ListenField> fields = ListenFields(config);
  ASSERT_EQ(fields.size(), 14);
  std::set<std::string> addresses;
  for (const ListenField& field : fields) addresses.insert(field.address);
  EXPECT_EQ(addresses.size(), 14);
}

TEST(ListenFieldsTest, EachActorAndRewardServerHasPortsOfItsOwn) {
  v1::RunConfig config = MakeConfig();
  config.mutable_reward_server()->set_address(
      "127.0.0.1:7103,127.0.0.1:7113,127.0.0.1:7123");
  config.mutable_up()->set_num_reward_servers(2);
  config.mutable_up()->set_num_actors(3);
  std::set<std::string> addresses;
  for (const ListenField& field : ListenFields(config)) {
    EXPECT_TRUE(addresses.insert(field.address).second) << field.address;
  }
  // Of further actors only /metrics: their gRPC port is any free one.
  EXPECT_EQ(addresses.size(), 11 + 2 + 2);
  EXPECT_EQ(addresses.count("127.0.0.1:7113"), 1);
  EXPECT_EQ(addresses.count("127.0.0.1:7123"), 0);
}

TEST(ListenFieldsTest, WeightsHaveAPortOfTheirOwnIfOneIsGiven) {
  v1::RunConfig config = MakeConfig();
  config.mutable_learner()->set_weights_port(7106);
  std::set<std::string> addresses;
  for (const ListenField& field : ListenFields(config)) {
    addresses.insert(field.address);
  }
  EXPECT_EQ(addresses.size(), 12);
  EXPECT_EQ(addresses.count("127.0.0.1:7106"), 1);
}

TEST(ListenFieldsTest, GrpcIsAtTheHostToListenAtAndMetricsAreNot) {
  v1::RunConfig config = MakeConfig();
  config.set_listen_host("127.0.0.7");
  config.mutable_learner()->set_weights_port(7106);
  std::set<std::string> addresses;
  for (const ListenField& field : ListenFields(config)) {
    addresses.insert(field.address);
  }
  EXPECT_EQ(addresses.count("127.0.0.7:7101"), 1);
  EXPECT_EQ(addresses.count("127.0.0.7:7106"), 1);
  EXPECT_EQ(addresses.count("127.0.0.1:7201"), 1);
  // The page is where workers' browsers look for it.
  EXPECT_EQ(addresses.count("127.0.0.1:7180"), 1);
}

TEST(ListenFieldsTest, OfSeveralReplicasTheFirstIsOurs) {
  v1::RunConfig config = MakeConfig();
  config.mutable_reward_server()->set_address("127.0.0.1:1,127.0.0.1:2");
  std::set<std::string> addresses;
  for (const ListenField& field : ListenFields(config)) {
    addresses.insert(field.address);
  }
  EXPECT_EQ(addresses.count("127.0.0.1:1"), 1);
  EXPECT_EQ(addresses.count("127.0.0.1:2"), 0);
}

}  // namespace
}  // namespace rlhf
