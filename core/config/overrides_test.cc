#include "core/config/overrides.h"

#include "gtest/gtest.h"
#include "rlhf/v1/config.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ApplyOverrideTest, SetsAFieldOfAMessageThatWasNotThere) {
  v1::RunConfig config;
  ASSERT_OK_AND_ASSIGN(const std::string path,
                       ApplyOverride("ppo.learning_rate=2e-5", &config));
  EXPECT_EQ(path, "ppo.learning_rate");
  EXPECT_EQ(config.ppo().learning_rate(), 2e-5);
}

TEST(ApplyOverrideTest, SetsEveryKindOfValue) {
  v1::RunConfig config;
  ASSERT_OK(ApplyOverride("seed=18446744073709551615", &config));
  ASSERT_OK(ApplyOverride("ppo.whiten_advantages=false", &config));
  ASSERT_OK(ApplyOverride("ppo.missing_eos_penalty=-1.5", &config));
  EXPECT_EQ(config.seed(), 18446744073709551615u);
  EXPECT_FALSE(config.ppo().whiten_advantages());
  EXPECT_EQ(config.ppo().missing_eos_penalty(), -1.5);
}

TEST(ApplyOverrideTest, TakesAStringAsItStands) {
  v1::RunConfig config;
  ASSERT_OK(ApplyOverride(R"(prompts=a b\"=c.jsonl)", &config));
  EXPECT_EQ(config.prompts(), R"(a b\"=c.jsonl)");
  ASSERT_OK(ApplyOverride("prompts=\"quoted.jsonl\"", &config));
  EXPECT_EQ(config.prompts(), "quoted.jsonl");
  ASSERT_OK(ApplyOverride("prompts=", &config));
  EXPECT_EQ(config.prompts(), "");
}

TEST(ApplyOverrideTest, ReplacesAList) {
  v1::RunConfig config;
  config.mutable_preference()->add_refresh_at(7);
  ASSERT_OK(ApplyOverride("preference.refresh_at=64,160", &config));
  EXPECT_THAT(config.preference().refresh_at(), ElementsAre(64, 160));
  ASSERT_OK(ApplyOverride("preference.refresh_at=[48, 96]", &config));
  EXPECT_THAT(config.preference().refresh_at(), ElementsAre(48, 96));
  ASSERT_OK(ApplyOverride("preference.refresh_at=", &config));
  EXPECT_THAT(config.preference().refresh_at(), IsEmpty());
}

struct BadOverride {
  const char* assignment;
  const char* message;
};

class BadOverrideTest : public testing::TestWithParam<BadOverride> {};

TEST_P(BadOverrideTest, IsRefusedWithTheReason) {
  v1::RunConfig config;
  EXPECT_THAT(
      ApplyOverride(GetParam().assignment, &config),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr(std::string("--set ") + GetParam().assignment),
                     HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadOverrideTest,
    testing::Values(
        BadOverride{"ppo.learning_rate", "wanted FIELD=VALUE"},
        BadOverride{"ppo.learning_rat=1", "did you mean \"learning_rate\"?"},
        BadOverride{"leaner.checkpoint_every=4",
                    "unknown field \"leaner\" in RunConfig; "
                    "did you mean \"learner\"?"},
        BadOverride{"evaluation.zzzzzz=4", "its fields are num_prompts"},
        BadOverride{"=4", "unknown field \"\""},
        BadOverride{"ppo=4", "\"ppo\" holds fields; name one of them"},
        BadOverride{"seed.x=4", "\"seed\" is a value and has no fields"},
        BadOverride{"crowd.workers.accuracy=1",
                    "\"workers\" is a list of messages"},
        BadOverride{"ppo.num_epochs=two", "Expected integer"},
        BadOverride{"ppo.num_epochs=1.5", "Expected integer"},
        BadOverride{"ppo.num_epochs=99999999999", "Integer out of range"},
        BadOverride{"ppo.num_epochs=", "Expected integer"},
        BadOverride{"ppo.whiten_advantages=perhaps", "whiten_advantages"},
        BadOverride{"preference.refresh_at=64,x", "Expected integer"},
        // A value is one value, not a way to smuggle in other fields.
        BadOverride{"ppo.num_epochs=2 num_minibatches: 4",
                    "wanted one value, got: 2 num_minibatches: 4"}));

TEST(ApplyOverrideTest, AListHasBothBracketsOrNone) {
  v1::RunConfig config;
  EXPECT_THAT(ApplyOverride("preference.refresh_at=[64", &config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("both brackets or none")));
}

}  // namespace
}  // namespace rlhf
