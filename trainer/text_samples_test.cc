#include "trainer/text_samples.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::EndsWith;
using testing::IsEmpty;
using testing::SizeIs;

Batch ThreeRollouts(int64_t update) {
  Batch batch;
  batch.header.set_update(update);
  for (const float reward : {1, -2, 3}) {
    v1::Rollout& rollout = batch.rollouts.emplace_back();
    rollout.set_rollout_id("r" + std::to_string(batch.rollouts.size()));
    v1::Message& system = *rollout.mutable_prompt()->add_messages();
    system.set_role("system");
    system.set_content("Be kind.");
    v1::Message& user = *rollout.mutable_prompt()->add_messages();
    user.set_role("user");
    user.set_content("Why?");
    rollout.set_response_text("Because.");
    rollout.set_reward(reward);
  }
  return batch;
}

TEST(TextSamplesTest, TheFirstTheBestAndTheWorstAreShown) {
  v1::UpdateReport report;
  AddTextSamples(ThreeRollouts(1), report);
  ASSERT_THAT(report.samples(), SizeIs(3));
  EXPECT_EQ(report.samples(0).choice(), "first");
  EXPECT_EQ(report.samples(0).rollout_id(), "r1");
  EXPECT_EQ(report.samples(0).prompt(), "system: Be kind.\nuser: Why?");
  EXPECT_EQ(report.samples(0).response(), "Because.");
  EXPECT_EQ(report.samples(0).reward(), 1);
  EXPECT_EQ(report.samples(1).choice(), "best");
  EXPECT_EQ(report.samples(1).rollout_id(), "r3");
  EXPECT_EQ(report.samples(2).choice(), "worst");
  EXPECT_EQ(report.samples(2).rollout_id(), "r2");
}

TEST(TextSamplesTest, EveryTenthUpdateShowsSome) {
  v1::UpdateReport report;
  AddTextSamples(ThreeRollouts(2), report);
  AddTextSamples(ThreeRollouts(10), report);
  EXPECT_THAT(report.samples(), IsEmpty());
  AddTextSamples(ThreeRollouts(11), report);
  EXPECT_THAT(report.samples(), SizeIs(3));
}

// "ä" is two bytes, of which the 2000th would be the first.
TEST(TextSamplesTest, ALongTextIsCutBetweenCharacters) {
  Batch batch = ThreeRollouts(1);
  std::string text = "x";
  for (int i = 0; i < 2000; ++i) text += "ä";
  batch.rollouts[0].set_response_text(text);
  v1::UpdateReport report;
  AddTextSamples(batch, report);
  const std::string& shown = report.samples(0).response();
  EXPECT_THAT(shown, EndsWith("ä …"));
  EXPECT_EQ(shown.size(), 1999 + std::string(" …").size());
}

TEST(DialogueTextTest, HasATurnALine) {
  v1::Prompt prompt;
  for (const char* role : {"user", "assistant"}) {
    v1::Message& message = *prompt.add_messages();
    message.set_role(role);
    message.set_content("hello");
  }
  EXPECT_EQ(DialogueText(prompt), "user: hello\nassistant: hello");
}

TEST(TextSamplesTest, NoRolloutsNoSamples) {
  Batch batch = ThreeRollouts(1);
  batch.rollouts.clear();
  v1::UpdateReport report;
  AddTextSamples(batch, report);
  EXPECT_THAT(report.samples(), IsEmpty());
}

}  // namespace
}  // namespace rlhf
