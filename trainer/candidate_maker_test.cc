#include "trainer/candidate_maker.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/pm_data.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// "yes" is better than "no, and never", to everyone but worker 0 if they lie.
std::vector<v1::Comparison> Compare(int count, bool worker_0_lies = false) {
  std::vector<v1::Comparison> comparisons;
  for (int i = 0; i < count; ++i) {
    v1::Comparison& one = comparisons.emplace_back();
    one.set_seq(i + 1);
    one.mutable_prompt()->set_prompt_id(absl::StrCat("prompt ", i));
    v1::Message& message = *one.mutable_prompt()->add_messages();
    message.set_role("user");
    message.set_content(absl::StrCat(i, " and one?"));
    one.set_response_a("yes");
    one.set_response_b("no, and never");
    one.set_choice(worker_0_lies && i % 4 == 0 ? v1::B_BETTER : v1::A_BETTER);
    one.set_strength(1);
    one.set_source("page");
    one.set_worker_id(absl::StrCat("worker ", i % 4));
  }
  return comparisons;
}

class CandidateMakerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
    config_.set_initial_policy(folder_ / "model");
    v1::PreferenceConfig& preference = *config_.mutable_preference();
    preference.set_learning_rate(3e-3);
    preference.set_head_learning_rate(1e-2);
    preference.set_num_epochs(4);
    preference.set_held_out_share(0.3);
  }

  absl::StatusOr<Candidate> Make(std::vector<v1::Comparison> comparisons,
                                 std::optional<int64_t> serving = {},
                                 int64_t serving_trained_on = 0) {
    auto maker = CandidateMaker::Load(config_, &registry_);
    if (!maker.ok()) return maker.status();
    return maker->Make(std::move(comparisons), 2, serving, serving_trained_on,
                       [this](const std::string& phase, double share) {
                         phases_.push_back(phase);
                         return share < stop_at_;
                       });
  }

  // A PM that learned from `comparisons` serves as version 1.
  void Serve(std::vector<v1::Comparison> comparisons) {
    ASSERT_OK_AND_ASSIGN(const Candidate made, Make(std::move(comparisons)));
    ASSERT_OK(registry_
                  .Publish(1, {{"pm_members", ToJson(made.pm.members)}},
                           [&](const std::string& folder) {
                             return SavePmModels(made.pm, folder_ / "model",
                                                 folder);
                           })
                  .status());
    ASSERT_OK(registry_.Promote(1, std::nullopt, {"gate", "good"}));
    phases_.clear();
  }

  const TempDir folder_;
  const ModelRegistry registry_{folder_ / "registry/pm"};
  v1::RunConfig config_;
  double stop_at_ = 2;
  std::vector<std::string> phases_;
};

TEST_F(CandidateMakerTest, TrainsMeasuresAndAsksTheGate) {
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(40)));
  const v1::PmReport& report = made.report;
  EXPECT_EQ(report.num_train() + report.num_held_out(), 40);
  EXPECT_GT(report.num_held_out(), 0);
  EXPECT_NEAR(report.train_loss_first(), std::log(2), 1e-5);
  EXPECT_LT(report.train_loss_last(), 0.5);
  EXPECT_GT(report.held_out_accuracy(), 0.9);
  EXPECT_TRUE(report.promoted());
  EXPECT_THAT(report.verdict(),
              AllOf(StartsWith("promoted: "), HasSubstr("it is the first")));
  EXPECT_FALSE(report.has_incumbent_accuracy());
  EXPECT_THAT(report.members(), IsEmpty()) << "one PM needs no list";
  EXPECT_THAT(made.pm.models, SizeIs(1));
  EXPECT_THAT(made.workers, IsEmpty());
  EXPECT_EQ(made.training.preference.held_out_share(), 0.3) << "as it was";
  EXPECT_EQ(made.training.started_from, 0);
  EXPECT_EQ(phases_.back(), "evaluating");
  phases_.pop_back();
  EXPECT_THAT(phases_, Each("training"));
}

TEST_F(CandidateMakerTest, WhatGoesIntoACardNamesNoWorker) {
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(40)));
  const std::string held_out = DumpJson(ToJson(made.held_out));
  EXPECT_THAT(held_out, HasSubstr("\"worker\":\"w-"));
  EXPECT_EQ(held_out.find("worker 1"), std::string::npos);
}

TEST_F(CandidateMakerTest, TheServingPmIsAskedAboutTheSameComparisons) {
  Serve(Compare(40));
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(60), 1));
  ASSERT_TRUE(made.report.has_incumbent_accuracy());
  EXPECT_GT(made.report.incumbent_accuracy(), 0.9);
  EXPECT_THAT(made.report.verdict(), HasSubstr("the serving PM got"));
}

TEST_F(CandidateMakerTest, AWarmStartLearnsWhatIsNewFromTheServingPm) {
  Serve(Compare(40));
  config_.mutable_preference()->set_refresh_mode(
      v1::PreferenceConfig::WARM_START);
  config_.mutable_preference()->set_replay_share(0);
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(60), 1, 40));
  EXPECT_LE(made.report.num_train(), 20);
  EXPECT_GT(made.report.num_train(), 5);
  EXPECT_LT(made.report.train_loss_first(), 0.6) << "it knew already";
  EXPECT_EQ(made.training.started_from, 1);
}

TEST_F(CandidateMakerTest, WithOtherMembersThereIsNothingToStartWarmFrom) {
  Serve(Compare(40));
  config_.mutable_preference()->set_refresh_mode(
      v1::PreferenceConfig::WARM_START);
  config_.mutable_preference()->set_ensemble_size(2);
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(40), 1, 30));
  EXPECT_NEAR(made.report.train_loss_first(), std::log(2), 1e-5);
  EXPECT_THAT(made.report.members(), SizeIs(2));
  EXPECT_EQ(made.training.started_from, 0);
}

TEST_F(CandidateMakerTest, FilesOfComparisonsTrainEveryPm) {
  ASSERT_OK_AND_ASSIGN(const Candidate without, Make(Compare(20)));
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    absl::StrAppend(&lines, "{\"prompt\": \"file ", i,
                    "\", \"chosen\": \"yes\", \"rejected\": \"no\"}\n");
  }
  ASSERT_OK(WriteFileAtomically(folder_ / "more.jsonl", lines));
  config_.mutable_preference()->add_data(folder_ / "more.jsonl");
  ASSERT_OK_AND_ASSIGN(const Candidate with, Make(Compare(20)));
  EXPECT_EQ(with.report.num_train() + with.report.num_held_out(),
            without.report.num_train() + without.report.num_held_out() + 10);
}

TEST_F(CandidateMakerTest, NothingToTrainOnIsSaidSo) {
  std::vector<v1::Comparison> ties = Compare(3);
  for (v1::Comparison& one : ties) one.set_choice(v1::TIE);
  EXPECT_THAT(Make(ties), StatusIs(StatusCode::kFailedPrecondition,
                                   "none of 3 comparisons can be trained on"));
  EXPECT_THAT(phases_, IsEmpty());
}

TEST_F(CandidateMakerTest, StopsWhenItIsTold) {
  stop_at_ = 0.5;
  EXPECT_EQ(Make(Compare(40)).status().code(), StatusCode::kCancelled);
}

TEST_F(CandidateMakerTest, AModelThatIsNotThereIsNamed) {
  config_.mutable_preference()->set_initial_model(folder_ / "none");
  const auto made = Make(Compare(4));
  EXPECT_FALSE(made.ok());
  EXPECT_THAT(made.status().ToString(), HasSubstr(folder_ / "none"));
}

TEST_F(CandidateMakerTest, TheWorkerModelLeavesOutWhoSaysTheOpposite) {
  // Half of the prompts must be enough to learn what the workers say.
  config_.mutable_preference()->set_num_epochs(12);
  ASSERT_OK_AND_ASSIGN(const Candidate plain, Make(Compare(160, true)));
  phases_.clear();
  config_.mutable_preference()->set_worker_model(true);
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(Compare(160, true)));
  ASSERT_THAT(made.workers, SizeIs(4));
  EXPECT_LT(made.workers.at("worker 0").temperature, 0);
  EXPECT_GT(made.workers.at("worker 1").temperature, 0.5);
  EXPECT_EQ(made.report.num_train(),
            plain.report.num_train() - made.workers.at("worker 0").num_answers);
  EXPECT_EQ(made.report.num_held_out(), plain.report.num_held_out())
      << "what measures is what people said";
  EXPECT_LT(made.report.train_loss_last(), plain.report.train_loss_last());
}

// The serving PM has learned what each worker said, and would find all of them
// right.
TEST_F(CandidateMakerTest, WorkersAreJudgedByNoModelThatLearnedFromThem) {
  Serve(Compare(160, true));
  config_.mutable_preference()->set_worker_model(true);
  ASSERT_OK_AND_ASSIGN(const Candidate cold, Make(Compare(160, true), 1, 160));
  config_.mutable_preference()->set_refresh_mode(
      v1::PreferenceConfig::WARM_START);
  config_.mutable_preference()->set_replay_share(1);
  ASSERT_OK_AND_ASSIGN(const Candidate warm, Make(Compare(160, true), 1, 160));
  ASSERT_THAT(warm.workers, SizeIs(4));
  for (const auto& [worker, traits] : cold.workers) {
    EXPECT_NEAR(warm.workers.at(worker).temperature, traits.temperature, 1e-4)
        << worker;
  }
}

TEST_F(CandidateMakerTest, WorkersAreNotJudgedByWhatTrainsNoMember) {
  config_.mutable_preference()->set_worker_model(true);
  v1::PmSource& unused = *config_.mutable_preference()->add_sources();
  unused.add_from("spam");
  unused.set_weight(0);
  std::vector<v1::Comparison> comparisons = Compare(160, true);
  for (v1::Comparison& one : Compare(80)) {
    one.set_seq(one.seq() + 160);
    one.set_source("spam");
    one.set_worker_id("spammer");
    comparisons.push_back(std::move(one));
  }
  ASSERT_OK_AND_ASSIGN(const Candidate made, Make(comparisons));
  EXPECT_THAT(made.workers, SizeIs(4)) << "the spammer taught nothing";
}

}  // namespace
}  // namespace rlhf
