#include "trainer/pm_training.h"

#include <optional>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

PmTraining MakeTraining() {
  PmTraining training{.preference = {}, .started_from = 3};
  training.preference.set_held_out_share(0.25);
  training.preference.set_min_strength(2);
  training.preference.set_refresh_mode(v1::PreferenceConfig::WARM_START);
  v1::PmSource& source = *training.preference.add_sources();
  source.add_from("crowd");
  source.set_weight(0);
  return training;
}

TEST(PmTrainingTest, ACardGivesBackWhatItWasTold) {
  const PmTraining training = MakeTraining();
  const Json card = {{"report", "…"}, {"training", ToJson(training)}};
  const std::optional<PmTraining> back = TrainingOf(*ParseJson(DumpJson(card)));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->started_from, 3);
  const v1::PreferenceConfig& preference = back->preference;
  EXPECT_EQ(preference.held_out_share(), 0.25);
  EXPECT_EQ(preference.min_strength(), 2);
  EXPECT_EQ(preference.refresh_mode(), v1::PreferenceConfig::WARM_START);
  ASSERT_EQ(preference.sources_size(), 1);
  EXPECT_EQ(preference.sources(0).from(0), "crowd");
  EXPECT_EQ(preference.sources(0).weight(), 0);
  EXPECT_TRUE(preference.has_max_tokens()) << "the default may change";
}

TEST(PmTrainingTest, AnOlderOrForeignCardTellsNothing) {
  EXPECT_FALSE(TrainingOf(Json::object()).has_value());
  EXPECT_FALSE(TrainingOf(Json()).has_value());
  EXPECT_FALSE(TrainingOf({{"training", "by hand"}}).has_value());
  Json unknown = {{"training", ToJson(MakeTraining())}};
  unknown["training"]["preference"]["a_field_of_tomorrow"] = 1;
  EXPECT_FALSE(TrainingOf(unknown).has_value());
}

}  // namespace
}  // namespace rlhf
