#include "absl/strings/str_cat.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;

class ConfigVerbTest : public testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& more) {
    const std::string path = folder_ / name;
    EXPECT_OK(WriteFileAtomically(
        path, absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                           "prompts: \"p.jsonl\"\n",
                           more)));
    return path;
  }

  // `rlhf config ARGS`; what it prints is in out_.
  absl::Status Config(const std::vector<std::string>& args) {
    const auto flags = Flags::Parse({{"set", FlagSpec::Kind::kRepeated}}, args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = ConfigVerb(*flags);
    out_ = testing::internal::GetCapturedStdout();
    return status;
  }

  const TempDir folder_;
  std::string out_;
};

TEST_F(ConfigVerbTest, WhatItShowsIsTheSameConfiguration) {
  const std::string path = File("a.txtpb", "seed: 4\n");
  ASSERT_OK(Config({"show", path}));
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig shown,
                       ParseRunConfig(out_, "shown", {}));
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig read, LoadRunConfig(path, {}));
  EXPECT_THAT(DiffConfigs(read, shown), IsEmpty());
  EXPECT_EQ(shown.seed(), 4);
}

TEST_F(ConfigVerbTest, AFileDoesNotDifferFromItself) {
  const std::string path = File("a.txtpb", "");
  EXPECT_OK(Config({"diff", path, path}));
  EXPECT_EQ(out_, "");
}

TEST_F(ConfigVerbTest, OverridesAreCheckedToo) {
  const std::string path = File("a.txtpb", "");
  EXPECT_THAT(
      Config({"check", path, "--set", "ppo.gae_lambda=2"}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("ppo.gae_lambda")));
  EXPECT_EQ(out_, "");
}

TEST_F(ConfigVerbTest, TheFileThatCannotBeReadIsNamed) {
  const std::string good = File("good.txtpb", "");
  const std::string bad = File("bad.txtpb", "seed: \"x\"\n");
  EXPECT_THAT(Config({"show", folder_ / "none.txtpb"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("none.txtpb")));
  EXPECT_THAT(
      Config({"diff", good, bad}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("bad.txtpb:4:")));
  EXPECT_THAT(Config({"diff", good, folder_ / "none.txtpb"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("none.txtpb")));
  EXPECT_EQ(out_, "");
}

TEST_F(ConfigVerbTest, ItSaysWhatItWants) {
  const std::string path = File("a.txtpb", "");
  for (const std::vector<std::string>& args : {std::vector<std::string>{},
                                               {"show"},
                                               {"check", path, path},
                                               {"diff", path},
                                               {"print", path}}) {
    EXPECT_THAT(Config(args),
                StatusIs(StatusCode::kInvalidArgument,
                         "wanted: show FILE, check FILE, or diff OLD NEW"));
  }
}

}  // namespace
}  // namespace rlhf
