#include <stdlib.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "cli/verb.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome RunRlhf(const std::vector<std::string>& args) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = RunCommand(args);
  return {code, testing::internal::GetCapturedStdout(),
          testing::internal::GetCapturedStderr()};
}

// A run file and two ways to get it wrong.
class CommandTest : public testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& more) {
    const std::string path = folder_ / name;
    EXPECT_OK(WriteFileAtomically(
        path, absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                           "prompts: \"p.jsonl\"\n",
                           more)));
    return path;
  }
  const TempDir folder_;
};

TEST_F(CommandTest, HelpListsEveryVerbOnce) {
  const Outcome help = RunRlhf({"help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.err, IsEmpty());
  std::set<std::string> names;
  for (const Verb& verb : AllVerbs()) {
    EXPECT_TRUE(names.insert(verb.name).second) << verb.name;
    EXPECT_FALSE(verb.summary.empty()) << verb.name;
    EXPECT_THAT(help.out, HasSubstr("rlhf " + verb.name + " "));
  }
  EXPECT_EQ(RunRlhf({"--help"}).out, help.out);
}

TEST_F(CommandTest, WithoutAVerbItShowsTheHelpAsAnError) {
  const Outcome outcome = RunRlhf({});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("rlhf learner"));
}

TEST_F(CommandTest, AnUnknownVerbGetsASuggestion) {
  const Outcome near = RunRlhf({"lerner"});
  EXPECT_EQ(near.code, 2);
  EXPECT_THAT(near.err, HasSubstr("unknown verb \"lerner\"; did you mean "
                                  "\"learner\"?"));
  const Outcome far = RunRlhf({"bananas"});
  EXPECT_EQ(far.code, 2);
  EXPECT_THAT(far.err,
              AllOf(HasSubstr("`rlhf help`"), Not(HasSubstr("did you mean"))));
}

TEST_F(CommandTest, EveryVerbExplainsItsFlags) {
  for (const Verb& verb : AllVerbs()) {
    const Outcome outcome = RunRlhf({verb.name, "--help"});
    EXPECT_EQ(outcome.code, 0) << verb.name;
    EXPECT_THAT(outcome.out, HasSubstr(verb.summary));
    for (const FlagSpec& flag : verb.flags) {
      EXPECT_THAT(outcome.out, HasSubstr("--" + flag.name)) << verb.name;
      EXPECT_THAT(outcome.out, HasSubstr(flag.help)) << verb.name;
    }
  }
}

TEST_F(CommandTest, EveryVerbRefusesAnUnknownFlag) {
  for (const Verb& verb : AllVerbs()) {
    const Outcome outcome = RunRlhf({verb.name, "--nonsense-flag"});
    EXPECT_EQ(outcome.code, 2) << verb.name;
    EXPECT_THAT(outcome.err, HasSubstr("rlhf " + verb.name +
                                       ": unknown flag --nonsense-flag"));
  }
}

TEST_F(CommandTest, VerbsWithoutArgumentsRefuseOne) {
  for (const char* verb : {"version", "learner", "tokenize"}) {
    const Outcome outcome = RunRlhf({verb, "stray"});
    EXPECT_EQ(outcome.code, 2) << verb;
    EXPECT_THAT(outcome.err, HasSubstr("unexpected argument \"stray\""));
  }
}

TEST_F(CommandTest, RolesNeedAConfiguration) {
  for (const char* verb :
       {"learner", "actor", "reward-server", "refresher", "feedback"}) {
    const Outcome outcome = RunRlhf({verb});
    EXPECT_EQ(outcome.code, 2) << verb;
    EXPECT_THAT(outcome.err, HasSubstr("--config is needed")) << verb;
  }
  const Outcome absent = RunRlhf({"actor", "--config", folder_ / "none.txtpb"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_THAT(absent.err, HasSubstr("none.txtpb: No such file"));
}

TEST_F(CommandTest, WaitTellsAMistakeFromATimeThatIsOver) {
  for (const std::vector<std::string>& mistake :
       std::vector<std::vector<std::string>>{
           {"wait"},
           {"wait", "--ready"},
           {"wait", "127.0.0.1:1"},
           {"wait", "--ready", "127.0.0.1:x"},
           {"wait", "--ready", "127.0.0.1:1", "--role", "actor"},
           {"wait", "--ready", File("a.txtpb", ""), "--role", "crowd"},
           {"wait", "--ready", folder_ / "none.txtpb"}}) {
    EXPECT_EQ(RunRlhf(mistake).code, 2) << mistake.back();
  }
  const Outcome over =
      RunRlhf({"wait", "--ready", "127.0.0.1:1", "--timeout", "0"});
  EXPECT_EQ(over.code, 3);
  EXPECT_THAT(over.err, AllOf(HasSubstr("not ready after 0"),
                              HasSubstr("127.0.0.1:1: cannot connect")));
}

TEST_F(CommandTest, AFailureIsLeftForTorchrunToo) {
  const std::string path = folder_ / "error.json";
  ::setenv("TORCHELASTIC_ERROR_FILE", path.c_str(), /*overwrite=*/1);
  RunRlhf({"learner"});
  ::unsetenv("TORCHELASTIC_ERROR_FILE");
  ASSERT_OK_AND_ASSIGN(const std::string record, ReadFile(path));
  EXPECT_THAT(record, HasSubstr("rlhf learner: --config is needed"));
}

TEST_F(CommandTest, VersionNamesTheLibraries) {
  for (const char* spelling : {"version", "--version"}) {
    const Outcome outcome = RunRlhf({spelling});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("rlhf "), HasSubstr("LibTorch "),
                                   HasSubstr("gRPC "), HasSubstr("protobuf "),
                                   HasSubstr("SQLite ")));
  }
}

TEST_F(CommandTest, ConfigCheckSaysWhatIsWrongAndWhere) {
  const std::string good = File("good.txtpb", "");
  const Outcome outcome = RunRlhf({"config", "check", good});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(good + ": good"));

  const std::string bad = File("bad.txtpb", "ppo {\n  gae_lamda: 1\n}\n");
  const Outcome refused = RunRlhf({"config", "check", bad});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err,
              HasSubstr(bad + ":5:3: unknown field \"gae_lamda\" in "
                              "PpoConfig; did you mean \"gae_lambda\"?"));
}

TEST_F(CommandTest, ConfigCheckRefusesAPortUsedTwice) {
  const std::string path =
      File("twice.txtpb", "actor { metrics_port: 7101 }\n");
  const Outcome outcome = RunRlhf({"config", "check", path});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("actor.metrics_port: port 7101"),
                                 HasSubstr("learner.address")));
}

TEST_F(CommandTest, ConfigShowWritesOutDefaultsAndOverrides) {
  const Outcome outcome = RunRlhf(
      {"config", "show", File("a.txtpb", ""), "--set", "ppo.num_updates=8"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("num_updates: 8"),
                                 HasSubstr("gae_lambda: 0.95")));
}

TEST_F(CommandTest, ConfigDiffShowsChangesOnly) {
  const Outcome outcome = RunRlhf(
      {"config", "diff", File("a.txtpb", ""), File("b.txtpb", "seed: 4\n")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "seed: 1 -> 4\n");
}

TEST_F(CommandTest, ConfigWithoutAKnownActionShowsTheActions) {
  const Outcome outcome = RunRlhf({"config", "shew", "x"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("show FILE, check FILE, or diff OLD NEW"));
}

TEST(ExitCodeTest, TellsWhoseFaultItWas) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCode(absl::NotFoundError("")), 2);
  EXPECT_EQ(ExitCode(absl::AlreadyExistsError("")), 2);
  EXPECT_EQ(ExitCode(absl::UnavailableError("")), 3);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("")), 3);
  EXPECT_EQ(ExitCode(absl::ResourceExhaustedError("")), 3);
  EXPECT_EQ(ExitCode(absl::AbortedError("")), 3);
  EXPECT_EQ(ExitCode(absl::CancelledError("")), 5);
  EXPECT_EQ(ExitCode(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCode(absl::UnknownError("")), 1);
}

}  // namespace
}  // namespace rlhf
