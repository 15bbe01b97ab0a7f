#include "trainer/pm_models.h"

#include <ATen/ops/equal.h>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/nn/model_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/preference/pm_fixtures.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const PmProgress kGoOn = [](double) { return true; };

absl::StatusOr<Transformer> Untrained(size_t) { return MakeUntrainedPm(); }

// Members "pm" and "pm-2", which reward together, each on pairs of its own.
struct Two {
  std::vector<MemberPlan> plans = {
      {.member = {}, .training = PlantedPairs(32, 1), .seed = 1},
      {.member = {.name = "pm-2", .folder = "members/pm-2"},
       .training = PlantedPairs(16, 2),
       .seed = 2}};
  PmMembers members = {.members = {plans[0].member, plans[1].member},
                       .ensemble_penalty = 0.5};
};

at::Tensor WeightOf(const Transformer& model, const std::string& name) {
  for (const NamedTensor& p : model.parameters()) {
    if (p.name == name) return p.tensor;
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

class PmModelsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
    ASSERT_OK(WriteTinyPm(folder_ / "pm", 2));
    ASSERT_OK_AND_ASSIGN(tokenizer_, Tokenizer::Load(folder_ / "model"));
  }

  const TempDir folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(PmModelsTest, ALanguageModelStartsWithAHeadOfZeros) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadStartModel(folder_ / "model", 0, *tokenizer_));
  EXPECT_EQ(model.config().num_layers, 2);
  EXPECT_EQ(WeightOf(model, "score.weight").abs().sum().item<double>(), 0);
}

TEST_F(PmModelsTest, APmStartsWithItsOwnHead) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadStartModel(folder_ / "pm", 0, *tokenizer_));
  EXPECT_GT(WeightOf(model, "score.weight").abs().sum().item<double>(), 0);
}

TEST_F(PmModelsTest, OnlyTheFirstLayersAreKept) {
  ASSERT_OK_AND_ASSIGN(const Transformer one,
                       LoadStartModel(folder_ / "model", 1, *tokenizer_));
  EXPECT_EQ(one.config().num_layers, 1);
  ASSERT_OK_AND_ASSIGN(const Transformer all,
                       LoadStartModel(folder_ / "model", 99, *tokenizer_));
  EXPECT_EQ(all.config().num_layers, 2) << "there are no more than it has";
}

TEST_F(PmModelsTest, EveryMemberIsTrainedAndProgressCoversAll) {
  const Two two;
  std::vector<double> shares;
  ASSERT_OK_AND_ASSIGN(const PmModels pm,
                       TrainMembers(two.members, two.plans, Untrained,
                                    QuickTraining(), [&](double share) {
                                      shares.push_back(share);
                                      return true;
                                    }));
  ASSERT_THAT(pm.models, SizeIs(2));
  EXPECT_EQ(pm.num_trained_on, 48);
  // 4 epochs of 2 steps, then 4 of 1.
  EXPECT_THAT(shares, SizeIs(12));
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_NEAR(shares.back(), 1, 1e-9);
  EXPECT_EQ(pm.stats.num_steps, 8) << "of the first";
  EXPECT_FALSE(at::equal(WeightOf(pm.models[0], "score.weight"),
                         WeightOf(pm.models[1], "score.weight")));
}

TEST_F(PmModelsTest, AMemberWithoutComparisonsIsNamedBeforeAnyIsTrained) {
  Two two;
  two.plans[1].training.clear();
  bool started = false;
  const auto pm = TrainMembers(
      two.members, two.plans,
      [&](size_t index) {
        started = true;
        return Untrained(index);
      },
      QuickTraining(), kGoOn);
  EXPECT_THAT(pm, StatusIs(StatusCode::kFailedPrecondition,
                           AllOf(HasSubstr("PM member \"pm-2\""),
                                 HasSubstr("no comparison to train on yet"))));
  EXPECT_FALSE(started);
}

TEST_F(PmModelsTest, AnErrorNamesTheMember) {
  const Two two;
  const auto pm =
      TrainMembers(two.members, two.plans, Untrained, QuickTraining(),
                   [](double share) { return share < 0.7; });
  EXPECT_THAT(pm, StatusIs(StatusCode::kCancelled, HasSubstr("pm-2")));
}

TEST_F(PmModelsTest, WhatIsWrittenScoresTheSameWhenItIsLoaded) {
  const Two two;
  const auto start = [this](size_t) {
    return LoadStartModel(folder_ / "model", 0, *tokenizer_);
  };
  ASSERT_OK_AND_ASSIGN(
      const PmModels made,
      TrainMembers(two.members, two.plans, start, QuickTraining(), kGoOn));
  const std::string folder = folder_ / "version";
  ASSERT_OK(SavePmModels(made, folder_ / "model", folder));
  EXPECT_TRUE(FileExists(folder + "/members/pm-2/model.safetensors"));
  ASSERT_OK_AND_ASSIGN(
      const PmModels loaded,
      LoadPmModels(folder, {{"pm_members", ToJson(made.members)}}));
  ASSERT_THAT(loaded.models, SizeIs(2));
  const std::vector<PmExample> pairs = PlantedPairs(5, 9);
  ASSERT_OK_AND_ASSIGN(const auto before, ScorePairsTogether(made, pairs, 64));
  ASSERT_OK_AND_ASSIGN(const auto after, ScorePairsTogether(loaded, pairs, 64));
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_NEAR(before[i].chosen_score, after[i].chosen_score, 1e-5);
    EXPECT_NEAR(before[i].rejected_score, after[i].rejected_score, 1e-5);
  }
}

// Two members: the mean less half of the standard deviation, which is half of
// their distance.
TEST_F(PmModelsTest, TheScoreIsWhatTheMembersMakeTogether) {
  const Two two;
  ASSERT_OK_AND_ASSIGN(
      PmModels pm,
      TrainMembers(two.members, two.plans, Untrained, QuickTraining(), kGoOn));
  const std::vector<PmExample> pairs = PlantedPairs(3, 9);
  ASSERT_OK_AND_ASSIGN(const auto both, ScorePairsTogether(pm, pairs, 64));
  std::vector<std::vector<MeasuredPair>> alone;
  for (size_t i = 0; i < 2; ++i) {
    PmModels one;
    one.models.push_back(pm.models[i].Clone());
    ASSERT_OK_AND_ASSIGN(alone.emplace_back(),
                         ScorePairsTogether(one, pairs, 64));
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double a = alone[0][i].chosen_score, b = alone[1][i].chosen_score;
    EXPECT_NEAR(both[i].chosen_score, (a + b) / 2 - 0.5 * std::abs(a - b) / 2,
                1e-5);
  }
}

}  // namespace
}  // namespace rlhf
