#include "cli/config_flag.h"

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kRun[] =
    "name: \"a\"\ninitial_policy: \"m\"\nprompts: \"p.jsonl\"\n";

class ConfigFlagTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(WriteFileAtomically(path_, kRun)); }

  static Flags Parse(const std::vector<std::string>& args) {
    const auto flags =
        Flags::Parse({{"config"}, {"set", FlagSpec::Kind::kRepeated}}, args);
    EXPECT_OK(flags);
    return *flags;
  }

  const TempDir folder_;
  const std::string path_ = folder_ / "run.txtpb";
};

TEST_F(ConfigFlagTest, ReadsTheFileThatTheFlagOrTheArgumentNames) {
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig by_flag,
                       ConfigFromFlag(Parse({"--config", path_})));
  EXPECT_EQ(by_flag.name(), "a");
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig by_argument,
                       ConfigFromArgument(Parse({path_})));
  EXPECT_EQ(by_argument.name(), "a");
}

TEST_F(ConfigFlagTest, OverridesCountInTheirOrder) {
  ASSERT_OK_AND_ASSIGN(
      const v1::RunConfig config,
      ConfigFromArgument(Parse(
          {path_, "--set", "seed=3", "--set", "seed=4", "--set=name=b"})));
  EXPECT_EQ(config.seed(), 4);
  EXPECT_EQ(config.name(), "b");
}

TEST_F(ConfigFlagTest, PublicPageIsCheckedBeforeAnythingStarts) {
  EXPECT_THAT(
      ConfigFromArgument(
          Parse({path_, "--set=feedback.access.require_login=true",
                 "--set=feedback.access.public_origin=http://label.example"})),
      StatusIs(StatusCode::kInvalidArgument,
               HasSubstr("must be https://HOST")));
}

TEST_F(ConfigFlagTest, SaysWhatIsMissing) {
  EXPECT_THAT(ConfigFromFlag(Parse({path_})),
              StatusIs(StatusCode::kInvalidArgument, "--config is needed"));
  EXPECT_THAT(ConfigFromArgument(Parse({})),
              StatusIs(StatusCode::kInvalidArgument,
                       "wanted one configuration file, got 0 arguments"));
  EXPECT_THAT(ConfigFromArgument(Parse({path_, path_})),
              StatusIs(StatusCode::kInvalidArgument,
                       "wanted one configuration file, got 2 arguments"));
  EXPECT_THAT(ConfigFromArgument(Parse({folder_ / "none.txtpb"})),
              StatusIs(StatusCode::kNotFound, HasSubstr("none.txtpb")));
}

TEST_F(ConfigFlagTest, ABadOverrideIsNamed) {
  EXPECT_THAT(ConfigFromArgument(Parse({path_, "--set", "sed=3"})),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--set sed=3: "),
                             HasSubstr("did you mean \"seed\"?"))));
  EXPECT_THAT(
      ConfigFromArgument(Parse({path_, "--set", "seed"})),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("--set seed: ")));
}

// The reward server's default address is 127.0.0.1:7103.
TEST_F(ConfigFlagTest, APortBelongsToOneField) {
  EXPECT_THAT(
      ConfigFromArgument(
          Parse({path_, "--set", "feedback.address=127.0.0.1:7103"})),
      StatusIs(StatusCode::kInvalidArgument,
               "feedback.address: port 7103 is taken by reward_server.address; "
               "give each its own"));
  EXPECT_OK(ConfigFromArgument(
      Parse({path_, "--set", "feedback.address=127.0.0.1:7103", "--set",
             "reward_server.address=127.0.0.1:7303"})));
  // Port 0 is any free one, a different one each time.
  EXPECT_OK(ConfigFromArgument(
      Parse({path_, "--set", "feedback.address=127.0.0.1:0", "--set",
             "reward_server.address=127.0.0.1:0"})));
}

}  // namespace
}  // namespace rlhf
