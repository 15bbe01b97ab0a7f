#include "reward_server/pm_slots.h"

#include <cmath>

#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(LoadPmTest, RefusesALanguageModel) {
  const TempDir directory;
  ASSERT_OK(WriteTinyModel(directory / "policy", 1));
  EXPECT_THAT(LoadPm(directory / "policy", PmVersion(1)),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("not a preference model (config.json names no "
                                 "ForSequenceClassification architecture)")));
}

TEST(LoadPmTest, ReadsTheWholeDialogueUpToTheEndOfTheTurn) {
  const auto pm = TinyPm(1, 1);
  ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                       pm->Encode(Dialogue("Why?", "Because.")));
  // The format of the tests' tokenizer is ChatML with a default system message.
  EXPECT_THAT(pm->tokenizer->Decode(ids, /*skip_special_tokens=*/false),
              ContainsRegex("<.im_start.>user\nWhy\\?<.im_end.>\n"
                            "<.im_start.>assistant\nBecause\\.<.im_end.>"));
}

TEST(LoadPmTest, RefusesADialogueThatIsLongerThanTheModel) {
  EXPECT_THAT(
      TinyPm(1, 1)->Encode(LongDialogue()),
      StatusIs(
          StatusCode::kInvalidArgument,
          ContainsRegex("dialogue of [0-9]+ tokens; the preference model takes "
                        "1024")));
}

TEST(LoadPmTest, InBfloat16ScoresAreNearlyTheSame) {
  const TempDir directory;
  ASSERT_OK(WriteTinyPm(directory / "pm", 1));
  std::vector<std::vector<int32_t>> dialogues;
  for (int32_t i = 0; i < 64; ++i) dialogues.push_back({5 + i, 6, 7 + i});
  std::vector<float> scores[2];
  for (const bool half : {false, true}) {
    ASSERT_OK_AND_ASSIGN(const auto pm,
                         LoadPm(directory / "pm", PmVersion(1),
                                half ? at::kBFloat16 : at::kFloat));
    EXPECT_EQ(pm->model().parameters()[0].tensor.scalar_type(),
              half ? at::kBFloat16 : at::kFloat);
    ASSERT_OK_AND_ASSIGN(scores[half],
                         ScoreSequences(pm->model(), dialogues, 100));
  }
  double difference = 0, size = 0;
  for (size_t i = 0; i < dialogues.size(); ++i) {
    difference += std::abs(scores[true][i] - scores[false][i]);
    size += std::abs(scores[false][i]);
  }
  EXPECT_LT(difference, 0.02 * size);
}

TEST(PmSlotsTest, NothingServesAtFirst) {
  const PmSlots slots;
  EXPECT_EQ(slots.serving(), nullptr);
  EXPECT_THAT(slots.Get(0), StatusIs(StatusCode::kUnavailable,
                                     HasSubstr("no preference model is")));
  EXPECT_EQ(slots.Status().serving().version(), 0);
  EXPECT_EQ(slots.Status().num_swaps(), 0);
}

TEST(PmSlotsTest, ASwapKeepsThePreviousOneAndDropsTheOneBefore) {
  PmSlots slots;
  for (const int64_t version : {1, 2, 3}) slots.Swap(TinyPm(version, 1));

  ASSERT_OK_AND_ASSIGN(const auto serving, slots.Get(0));
  EXPECT_EQ(serving->version.version(), 3);
  EXPECT_EQ(slots.serving(), serving);
  ASSERT_OK_AND_ASSIGN(const auto by_name, slots.Get(3));
  EXPECT_EQ(by_name, serving);
  ASSERT_OK_AND_ASSIGN(const auto previous, slots.Get(2));
  EXPECT_EQ(previous->version.version(), 2);
  EXPECT_THAT(slots.Get(1),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("PM version 1 is neither serving (3) nor "
                                 "previous (2) nor the canary (0)")));
}

TEST(PmSlotsTest, WhoeverTookAVersionKeepsIt) {
  PmSlots slots;
  slots.Swap(TinyPm(1, 1));
  const auto taken = slots.serving();
  slots.Swap(TinyPm(2, 1));
  slots.Swap(TinyPm(3, 1));
  EXPECT_EQ(taken->version.version(), 1);
  EXPECT_OK(taken->Encode(Dialogue("q", "a")));
}

TEST(PmSlotsTest, TheStatusNamesVersionsDigestsAndTheLoadError) {
  PmSlots slots;
  slots.Swap(TinyPm(4, 1));
  slots.Swap(TinyPm(5, 1));
  slots.SetLoadError("bad file");
  v1::RewardStatus status = slots.Status();
  EXPECT_EQ(status.serving().version(), 5);
  EXPECT_EQ(status.serving().digest(), "digest5");
  EXPECT_EQ(status.previous().version(), 4);
  EXPECT_EQ(status.previous().digest(), "digest4");
  EXPECT_EQ(status.num_swaps(), 2);
  EXPECT_EQ(status.load_error(), "bad file");
  slots.Swap(TinyPm(6, 1));
  EXPECT_EQ(slots.Status().load_error(), "");
}

}  // namespace
}  // namespace rlhf
