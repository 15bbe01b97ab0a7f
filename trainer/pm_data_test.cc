#include "trainer/pm_data.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::SizeIs;

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

TEST_F(PmDataTest, WhatWasTakenBackAndAnswersToKnownQuestionsAreLeftOut) {
  v1::Comparison retracted = Compare(1, v1::RETRACTED);
  retracted.set_edited_response("there still");
  v1::Comparison gold = Compare(2, v1::A_BETTER);
  gold.set_source("gold");
  gold.set_edited_response("an edit");
  const PmData data = Make({retracted, gold});
  EXPECT_TRUE(data.training.empty());
  EXPECT_TRUE(data.held_out.empty());
  EXPECT_EQ(data.num_undecided, 2);
  gold.set_choice(v1::RETRACTED);
  config_.set_held_out_share(0);
  EXPECT_TRUE(Teaches(retracted, config_)) << "it may have";
  EXPECT_FALSE(Teaches(gold, config_));
}

TEST_F(PmDataTest, ExtraAnswersAndTheirEditsTeachNothing) {
  config_.set_held_out_share(0);
  v1::Comparison answer = Compare(1, v1::A_BETTER);
  answer.set_edited_response("an edit");
  EXPECT_TRUE(Teaches(answer, config_));
  EXPECT_THAT(Make({answer}).training, SizeIs(3));
  answer.set_extra(true);
  EXPECT_FALSE(Teaches(answer, config_));
  const PmData data = Make({answer});
  EXPECT_TRUE(data.training.empty());
  EXPECT_TRUE(data.held_out.empty());
  answer.set_choice(v1::RETRACTED);
  EXPECT_FALSE(Teaches(answer, config_)) << "nor did it before";
}

// Of every choice, whether it names a winner or not.
TEST_F(PmDataTest, AnEditBeatsBothResponses) {
  config_.set_min_strength(2);
  v1::Comparison edited = Compare(1, v1::B_BETTER);
  edited.set_strength(3);
  edited.set_edited_response("right, and corrected");
  PmData data = Make({edited});
  std::vector<PmExample>& pairs =
      data.training.empty() ? data.held_out : data.training;
  ASSERT_THAT(pairs, SizeIs(3)) << "all of them on the prompt's side";
  EXPECT_EQ(data.training.size() + data.held_out.size(), 3u);
  EXPECT_EQ(pairs[1].chosen, pairs[2].chosen);
  EXPECT_EQ(pairs[1].rejected, pairs[0].rejected);
  EXPECT_EQ(pairs[2].rejected, pairs[0].chosen);
  EXPECT_EQ(pairs[1].slices.at("strength"), "edit");
  EXPECT_FALSE(pairs[1].slices.contains("chosen_side"));
  EXPECT_EQ(pairs[1].chosen_side, 0);
  EXPECT_TRUE(pairs[1].is_edit);
  EXPECT_FALSE(pairs[0].is_edit);

  v1::Comparison both_bad = Compare(1, v1::BOTH_BAD);
  both_bad.set_strength(0);
  both_bad.set_edited_response("better");
  data = Make({both_bad});
  EXPECT_EQ(data.training.size() + data.held_out.size(), 2u)
      << "however weak a choice must not be";
}

TEST_F(PmDataTest, AnEditThatChangesNothingIsNone) {
  v1::Comparison edited = Compare(1, v1::A_BETTER);
  edited.set_edited_response(edited.response_a());
  const PmData data = Make({edited});
  EXPECT_EQ(data.training.size() + data.held_out.size(), 2u)
      << "the choice, and the text over the other one";
}

TEST_F(PmDataTest, PairsSayWhoJudgedThemAndWhatTheyBelongTo) {
  config_.set_held_out_share(0.9);
  v1::Comparison comparison = Compare(1, v1::B_BETTER);
  comparison.set_source("page");
  comparison.set_worker_id("ann");
  comparison.set_worker_group("experts");
  comparison.set_pm_version(3);
  comparison.set_task_kind(v1::RED_TEAM);
  comparison.set_shown_swapped(true);
  comparison.set_policy_version_b(5);
  PmData data = Make({comparison});
  const PmExample& pair =
      (data.training.empty() ? data.held_out : data.training).front();
  EXPECT_EQ(pair.worker, "ann");
  EXPECT_EQ(pair.chosen_side, 1) << "B stood on the left";
  EXPECT_EQ(pair.tranche, "online v4-7");
  EXPECT_EQ(pair.slices.at("worker_group"), "experts");
  EXPECT_EQ(pair.slices.at("pm_version"), "3");
  EXPECT_EQ(pair.slices.at("task"), "red-team");
  EXPECT_EQ(pair.slices.at("chosen_side"), "left");
}

// What came from a file knows neither worker nor sides, and its versions may be
// unknown.
TEST_F(PmDataTest, WhatIsNotKnownIsNotClaimed) {
  v1::Comparison comparison = Compare(1, v1::A_BETTER);
  comparison.set_source("import:helpful-base.jsonl");
  comparison.set_worker_id("import:helpful-base.jsonl");
  comparison.set_policy_version_a(-1);
  comparison.set_policy_version_b(-1);
  PmData data = Make({comparison});
  const PmExample& pair =
      (data.training.empty() ? data.held_out : data.training).front();
  EXPECT_EQ(pair.worker, "");
  EXPECT_EQ(pair.chosen_side, 0);
  EXPECT_EQ(pair.tranche, "import:helpful-base.jsonl");
  for (const char* slice : {"worker_group", "pm_version", "task"}) {
    EXPECT_FALSE(pair.slices.contains(slice)) << slice;
  }
}

// Pairs of a chosen and a rejected response are all A_BETTER: they would make
// whoever judged them one who always takes the left.
TEST_F(PmDataTest, SidesAreThoseThatTheComparisonKnows) {
  v1::Comparison comparison = Compare(1, v1::A_BETTER);
  comparison.set_source("vendor");
  const auto side = [&] {
    const PmData data = Make({comparison});
    return (data.training.empty() ? data.held_out : data.training)
        .front()
        .chosen_side;
  };
  EXPECT_EQ(side(), 0);
  comparison.set_sides_known(true);
  EXPECT_EQ(side(), 1);
  comparison.set_source("import:vendor.jsonl");
  comparison.set_shown_swapped(true);
  EXPECT_EQ(side(), -1);
}

TEST_F(PmDataTest, OnlyRedTeamingIsATaskOfItsOwn) {
  v1::Comparison comparison = Compare(1, v1::A_BETTER);
  comparison.set_source("page");
  const PmData data = Make({comparison});
  EXPECT_FALSE((data.training.empty() ? data.held_out : data.training)
                   .front()
                   .slices.contains("task"));
}

TEST_F(PmDataTest, TranchesAreBaseAndBandsOfVersions) {
  for (const auto& [version, tranche] :
       std::map<int64_t, std::string>{{0, "base"},
                                      {1, "online v1"},
                                      {2, "online v2-3"},
                                      {3, "online v2-3"},
                                      {4, "online v4-7"},
                                      {31, "online v16-31"}}) {
    v1::Comparison comparison = Compare(1, v1::A_BETTER);
    comparison.set_policy_version_a(version);
    const PmData data = Make({comparison});
    EXPECT_EQ(
        (data.training.empty() ? data.held_out : data.training)[0].tranche,
        tranche);
  }
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
