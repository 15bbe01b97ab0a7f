#include "trainer/pm_data.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

class PmDataTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
    ASSERT_OK_AND_ASSIGN(tokenizer_, Tokenizer::Load(folder_ / "model"));
    ASSERT_OK_AND_ASSIGN(format_, ChatFormat::Load(folder_ / "model"));
  }

  static v1::Comparison Compare(int prompt, v1::Choice choice) {
    v1::Comparison comparison;
    comparison.mutable_prompt()->set_prompt_id(absl::StrCat("prompt ", prompt));
    v1::Message& message = *comparison.mutable_prompt()->add_messages();
    message.set_role("user");
    message.set_content(absl::StrCat("Question ", prompt, "?"));
    comparison.set_response_a("left");
    comparison.set_response_b("right, and longer");
    comparison.set_choice(choice);
    comparison.set_strength(1);
    return comparison;
  }

  PmData Make(const std::vector<v1::Comparison>& comparisons) {
    return MakePmData(comparisons, *tokenizer_, *format_, config_);
  }

  TempDir folder_;
  v1::PreferenceConfig config_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatFormat> format_;
};

TEST_F(PmDataTest, TheChosenAnswerIsTheOneTheWorkerChose) {
  config_.set_held_out_share(0.01);
  PmData data;
  int prompt = 0;
  while (data.training.size() < 2) {
    data = Make({Compare(prompt, v1::A_BETTER), Compare(prompt, v1::B_BETTER)});
    ++prompt;
  }
  EXPECT_LT(data.training[0].chosen.size(), data.training[0].rejected.size());
  EXPECT_EQ(data.training[0].chosen, data.training[1].rejected);
  EXPECT_EQ(data.training[0].rejected, data.training[1].chosen);
}

TEST_F(PmDataTest, WhatNamesNoWinnerIsLeftOut) {
  const PmData data =
      Make({Compare(1, v1::TIE), Compare(2, v1::BOTH_BAD),
            Compare(3, v1::SKIPPED), Compare(4, v1::RETRACTED)});
  EXPECT_TRUE(data.training.empty());
  EXPECT_TRUE(data.held_out.empty());
}

TEST_F(PmDataTest, AnswersToGoldQuestionsTeachNothing) {
  std::vector<v1::Comparison> comparisons;
  for (int i = 0; i < 50; ++i) {
    comparisons.push_back(Compare(i, v1::A_BETTER));
    comparisons.back().set_source("gold");
  }
  const PmData data = Make(comparisons);
  EXPECT_TRUE(data.training.empty());
  EXPECT_TRUE(data.held_out.empty());
}

TEST_F(PmDataTest, NoPromptIsOnBothSidesWhateverElseIsThere) {
  config_.set_held_out_share(0.3);
  std::vector<v1::Comparison> comparisons;
  for (int i = 0; i < 400; ++i) {
    comparisons.push_back(Compare(i % 100, v1::A_BETTER));
  }
  const PmData data = Make(comparisons);
  std::set<std::vector<int32_t>> training;
  for (const PmExample& example : data.training) {
    training.insert(example.chosen);
  }
  for (const PmExample& example : data.held_out) {
    EXPECT_FALSE(training.contains(example.chosen));
  }
  // 100 prompts, 30 expected; five standard deviations are 23.
  EXPECT_NEAR(static_cast<double>(data.held_out.size()) / 4, 30, 23);
  // A prompt alone goes to the side that it went to among others.
  for (int i = 0; i < 100; ++i) {
    const PmData one = Make({Compare(i, v1::A_BETTER)});
    if (one.training.empty()) continue;
    EXPECT_TRUE(training.contains(one.training[0].chosen)) << i;
  }
}

TEST_F(PmDataTest, OneRecordThatCannotBeRenderedDoesNotEndTheRefresh) {
  v1::Comparison odd = Compare(1, v1::A_BETTER);
  odd.mutable_prompt()->mutable_messages(0)->set_role("tool");
  const PmData data = Make({odd, Compare(2, v1::A_BETTER)});
  EXPECT_EQ(data.num_unusable, 1);
  EXPECT_EQ(data.training.size() + data.held_out.size(), 1);
}

TEST_F(PmDataTest, DialoguesOverTheLimitAreCounted) {
  config_.set_max_tokens(8);
  const PmData data = Make({Compare(1, v1::A_BETTER)});
  EXPECT_EQ(data.num_too_long, 1);
  EXPECT_TRUE(data.training.empty());
  EXPECT_TRUE(data.held_out.empty());
}

}  // namespace
}  // namespace rlhf
