#include "trainer/live_fields.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

v1::RunConfig Config() {
  v1::RunConfig config;
  config.set_name("run");
  config.set_initial_policy("model");
  config.set_prompts("prompts.jsonl");
  config.mutable_ppo()->set_kl_coefficient(0.01);
  for (const char* name : {"helpful", "harmless"}) {
    config.mutable_preference()->add_objectives()->set_name(name);
  }
  config.mutable_preference()->mutable_objectives(1)->set_weight(2);
  return config;
}

auto IsRefused(const std::string& message) {
  return StatusIs(StatusCode::kInvalidArgument, HasSubstr(message));
}

TEST(LiveFieldsTest, TellsWhatTheRunFileSays) {
  const v1::RunConfig config = Config();
  EXPECT_THAT(LiveValue(config, "ppo.kl_coefficient"), IsOkAndHolds(0.01));
  EXPECT_THAT(LiveValue(config, "ppo.learning_rate"), IsOkAndHolds(1e-6));
  EXPECT_THAT(LiveValue(config, "preference.objectives.harmless.weight"),
              IsOkAndHolds(2.0));
}

TEST(LiveFieldsTest, AValueOutOfRangeIsRefusedAsInARunFile) {
  const v1::RunConfig config = Config();
  EXPECT_OK(CheckLiveValue(config, "ppo.kl_coefficient", 10));
  EXPECT_THAT(CheckLiveValue(config, "ppo.kl_coefficient", 11),
              IsRefused("ppo.kl_coefficient is 11; wanted at least 0 and at "
                        "most 10"));
  EXPECT_THAT(CheckLiveValue(config, "ppo.learning_rate", std::nan("")),
              IsRefused("ppo.learning_rate is nan; wanted at least 0"));
  EXPECT_OK(CheckLiveValue(config, "preference.objectives.helpful.weight", -3));
  EXPECT_THAT(
      CheckLiveValue(config, "preference.objectives.helpful.weight", 101),
      IsRefused("preference.objectives[0].weight is 101; wanted at least -100 "
                "and at most 100"));
}

TEST(LiveFieldsTest, AnUnknownFieldIsNamedWithTheNearest) {
  EXPECT_THAT(CheckLiveValue(Config(), "ppo.kl_coeficient", 1),
              AllOf(IsRefused("unknown field \"kl_coeficient\""),
                    IsRefused("did you mean \"kl_coefficient\"?"),
                    IsRefused("these can be set: ppo.kl_coefficient, "
                              "ppo.learning_rate, "
                              "preference.objectives.NAME.weight")));
  EXPECT_THAT(CheckLiveValue(Config(), "", 1), IsRefused("unknown field"));
}

TEST(LiveFieldsTest, AFieldThatIsFixedIsRefused) {
  for (const char* field :
       {"ppo.clip_epsilon", "seed", "ppo", "preference.objectives"}) {
    EXPECT_THAT(CheckLiveValue(Config(), field, 0.1),
                IsRefused("is fixed for a run"))
        << field;
  }
}

TEST(LiveFieldsTest, OnlyObjectivesThatAreMixedHaveWeights) {
  v1::RunConfig config = Config();
  EXPECT_THAT(CheckLiveValue(config, "preference.objectives.honest.weight", 1),
              IsRefused("has no \"honest\"; wanted one of helpful, harmless"));
  config.mutable_preference()->mutable_objectives()->RemoveLast();
  EXPECT_THAT(CheckLiveValue(config, "preference.objectives.helpful.weight", 1),
              IsRefused("not mixed of several PMs"));
}

TEST(LiveFieldsTest, TheNewestValueOfEachFieldHolds) {
  v1::LiveSettings settings;
  PutLiveValue("ppo.kl_coefficient", 0.5, 1, settings);
  PutLiveValue("preference.objectives.helpful.weight", 3, 2, settings);
  PutLiveValue("preference.objectives.helpful.weight", 4, 3, settings);
  EXPECT_EQ(settings.kl_coefficient(), 0.5);
  EXPECT_EQ(settings.kl_order(), 1);
  EXPECT_FALSE(settings.has_learning_rate());
  ASSERT_EQ(settings.objectives_size(), 1);
  EXPECT_EQ(settings.objectives(0).weight(), 4);
  EXPECT_EQ(settings.last_order(), 3);
}

}  // namespace
}  // namespace rlhf
