#include <unistd.h>

#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/config/run_config.h"
#include "core/telemetry/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

class DoctorVerbTest : public testing::Test {
 protected:
  DoctorVerbTest() {
    EXPECT_OK(WriteTinyModel(folder_ / "model", 1));
    std::string prompts;
    for (int i = 0; i < 50; ++i) {
      absl::StrAppend(&prompts, "{\"prompt\": \"number ", i, "\"}\n");
    }
    EXPECT_OK(WriteFileAtomically(folder_ / "prompts.jsonl", prompts));
    config_.set_name("a");
    config_.set_runs_dir(folder_ / "runs");
    config_.set_initial_policy(folder_ / "model");
    config_.set_prompts(folder_ / "prompts.jsonl");
    config_.set_threads(1);
    config_.mutable_preference()->set_refresh_every(8);
    config_.mutable_evaluation()->set_num_prompts(0);
    SetFreePorts(config_);
  }

  // `rlhf doctor --config C --json ARGS`; what it found is in json_.
  absl::Status Doctor(std::vector<std::string> args = {}) {
    const std::string path = folder_ / "a.txtpb";
    EXPECT_OK(WriteFileAtomically(path, ResolvedText(config_)));
    args.insert(args.begin(), {"--config", path, "--json"});
    const auto flags = Flags::Parse(FlagsOf("doctor"), args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = DoctorVerb(*flags);
    const auto json = ParseJson(testing::internal::GetCapturedStdout());
    EXPECT_OK(json);
    if (json.ok()) json_ = *json;
    return status;
  }

  // The finding whose subject begins with `subject`.
  Json Find(const std::string& subject) const {
    for (const Json& finding : json_["findings"]) {
      if (finding["subject"].get<std::string>().rfind(subject, 0) == 0) {
        return finding;
      }
    }
    ADD_FAILURE() << subject << " is not in " << json_.dump(2);
    return {{"level", ""}, {"found", ""}, {"advice", ""}};
  }

  const TempDir folder_;
  v1::RunConfig config_;
  Json json_;
};

TEST_F(DoctorVerbTest, BeforeAStartEveryPartIsLookedAtAndNothingIsLeft) {
  EXPECT_OK(Doctor());
  EXPECT_EQ(json_["faults"], 0) << json_.dump(2);
  for (const char* subject :
       {"configuration", "learner 127.0.0.1", "actor 127.0.0.1",
        "reward-server 127.0.0.1", "refresher 127.0.0.1", "feedback 127.0.0.1",
        "learner.metrics_port", "feedback.http_address", "disk space",
        "disk sync", "disk write", "memory", "shared memory", "open files",
        "processor"}) {
    EXPECT_NE(Find(subject)["found"], "") << subject;
  }
  EXPECT_GT(Find("memory")["figures"]["planned_bytes"].get<double>(), 0);
  EXPECT_FALSE(FileExists(folder_ / "runs"));
}

TEST_F(DoctorVerbTest, APortThatIsTakenIsAFaultWithWhatToDo) {
  ASSERT_OK_AND_ASSIGN(const ListenSocket role,
                       Listen(config_.reward_server().address()));
  ASSERT_OK_AND_ASSIGN(
      const ListenSocket metrics,
      Listen(absl::StrCat("127.0.0.1:", config_.actor().metrics_port())));
  const absl::Cleanup close = [&] {
    ::close(role.fd);
    ::close(metrics.fd);
  };
  EXPECT_THAT(Doctor(), StatusIs(StatusCode::kUnknown, "2 faults"));
  EXPECT_EQ(json_["faults"], 2);
  for (const char* subject : {"reward-server", "actor.metrics_port"}) {
    EXPECT_EQ(Find(subject)["level"], "fault");
    EXPECT_THAT(Find(subject)["found"].get<std::string>(), HasSubstr("in use"));
    EXPECT_THAT(Find(subject)["advice"].get<std::string>(),
                AllOf(HasSubstr("ss -ltnp"), HasSubstr("another port")));
  }
}

TEST_F(DoctorVerbTest, AModelThatIsNotThereIsAFaultOfTheConfiguration) {
  EXPECT_THAT(Doctor({"--set", "initial_policy=/nowhere"}),
              StatusIs(StatusCode::kUnknown, "1 fault"));
  EXPECT_EQ(Find("configuration")["level"], "fault");
  EXPECT_THAT(Find("configuration")["found"].get<std::string>(),
              HasSubstr("/nowhere"));
}

TEST_F(DoctorVerbTest, ARunFileThatIsWrongIsAFaultAndEndsTheLook) {
  EXPECT_THAT(Doctor({"--set", "ppo.clip_epsilon=7"}),
              StatusIs(StatusCode::kUnknown, "1 fault"));
  EXPECT_EQ(json_["findings"].size(), 1);
  EXPECT_THAT(Find("configuration")["found"].get<std::string>(),
              HasSubstr("ppo.clip_epsilon"));
}

TEST_F(DoctorVerbTest, WithoutConfigurationOrRanksItSaysWhatItWants) {
  const auto flags = Flags::Parse(FlagsOf("doctor"), {});
  ASSERT_OK(flags);
  EXPECT_THAT(DoctorVerb(*flags),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("--config C is needed, or --ranks N")));
}

TEST_F(DoctorVerbTest, AnOverrideOfNoRunFileIsRefused) {
  const auto flags =
      Flags::Parse(FlagsOf("doctor"), {"--ranks", "2", "--set", "threads=1"});
  ASSERT_OK(flags);
  EXPECT_THAT(DoctorVerb(*flags),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("--set overrides a run file")));
}

TEST(DoctorExitCodeTest, AFaultIsOne) {
  EXPECT_EQ(ExitCode(absl::UnknownError("1 fault")), 1);
}

}  // namespace
}  // namespace rlhf
