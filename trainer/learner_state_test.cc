#include "trainer/learner_state.h"

#include <ATen/ops/equal.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/config/run_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LearnerStateTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.set_name("run");
    config_.set_initial_policy("model");
    config_.set_prompts("prompts.jsonl");
    config_.mutable_ppo()->set_rollouts_per_update(16);
    for (const char* id : {"p1", "p2"})
      prompts_.emplace_back().set_prompt_id(id);
    cut_.update = 12;
    cut_.world_size = 2;
    cut_.batch.mutable_pm()->set_version(3);
    cut_.batch.mutable_pm()->set_digest("abc");
    cut_.batch.set_reward_mean(0.25);
    cut_.batch.set_reward_scale(1.5);
    cut_.batch.mutable_settings()->set_last_order(9);
    cut_.batch.mutable_settings()->set_learning_rate(1e-5);
    cut_.comparisons.set_last_seq(40);
    cut_.comparisons.set_chain_head("head");
    cut_.reward = 0.75;
  }

  PpoTrainer MakeTrainer(uint64_t seed) {
    return PpoTrainer(
        {.policy = MakeTinyModel(seed),
         .reference = std::make_shared<const Transformer>(MakeTinyModel(1)),
         .critic = std::nullopt},
        {.ppo = config_.ppo()}, &alone_);
  }
  RunIdentity Identity() const {
    return IdentifyRun(config_, MakeTinyModel(1).parameters(), prompts_);
  }
  void Save(const PpoTrainer& trainer) {
    ASSERT_OK(MakeDirectories(folder_));
    ASSERT_OK_AND_ASSIGN(const LearnerState state, GatherLearner(trainer));
    ASSERT_OK_AND_ASSIGN(const LearnerSnapshot snapshot,
                         CopyLearner(state, cut_));
    ASSERT_OK(WriteLearner(snapshot, Identity(), folder_));
  }

  const TempDir dir_;
  const std::string folder_ = dir_ / "checkpoint";
  SingleCommunicator alone_;
  v1::RunConfig config_;
  std::vector<v1::Prompt> prompts_;
  LearnerCut cut_;
};

TEST_F(LearnerStateTest, TheWholeCutComesBack) {
  PpoTrainer saved = MakeTrainer(7);
  saved.RestoreKlCoefficient(0.123, /*order=*/7);
  Save(saved);

  PpoTrainer loaded = MakeTrainer(1);
  ASSERT_OK_AND_ASSIGN(const LearnerCut cut, LoadLearner(folder_, loaded));

  EXPECT_EQ(cut.update, 12);
  EXPECT_EQ(cut.world_size, 2);
  EXPECT_EQ(cut.batch.pm().version(), 3);
  EXPECT_EQ(cut.batch.pm().digest(), "abc");
  EXPECT_EQ(cut.batch.reward_mean(), 0.25);
  EXPECT_EQ(cut.batch.reward_scale(), 1.5);
  EXPECT_EQ(cut.comparisons.last_seq(), 40);
  EXPECT_EQ(cut.comparisons.chain_head(), "head");
  EXPECT_EQ(cut.reward, 0.75);
  EXPECT_EQ(loaded.kl_coefficient(), 0.123);
  EXPECT_EQ(loaded.kl_order(), 7);
  EXPECT_EQ(cut.batch.settings().last_order(), 9);
  EXPECT_EQ(cut.batch.settings().learning_rate(), 1e-5);
  for (size_t i = 0; i < saved.ExportParameters().size(); ++i) {
    EXPECT_TRUE(at::equal(saved.ExportParameters()[i].tensor,
                          loaded.ExportParameters()[i].tensor));
  }
}

TEST_F(LearnerStateTest, AnAuditorFindsWhatTheCutIsOf) {
  Save(MakeTrainer(1));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(folder_ + "/state.json"));
  ASSERT_OK_AND_ASSIGN(const Json state, ParseJson(text));
  EXPECT_EQ(state.at("seed"), 1);
  EXPECT_EQ(state.at("next_rollout"), 12 * 16);
  EXPECT_EQ(state.at("binary_version").get<std::string>().size(), 5u);
  EXPECT_EQ(state.at("config_sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(state.at("initial_policy_hash").get<std::string>().size(), 16u);
}

// The copy is of the moment it was made.
TEST_F(LearnerStateTest, LaterStepsDoNotChangeTheCopy) {
  PpoTrainer trainer = MakeTrainer(1);
  ASSERT_OK_AND_ASSIGN(const LearnerState state, GatherLearner(trainer));
  ASSERT_OK_AND_ASSIGN(const LearnerSnapshot snapshot,
                       CopyLearner(state, cut_));
  const PpoTrainer other = MakeTrainer(7);
  ASSERT_OK(trainer.Import(other.ExportParameters(), other.ExportOptimizer()));
  EXPECT_TRUE(at::equal(snapshot.parameters[0].tensor,
                        MakeTrainer(1).ExportParameters()[0].tensor));
}

TEST_F(LearnerStateTest, TheSameRunMayGoOnWithOtherRanksPathsAndLength) {
  Save(MakeTrainer(1));
  config_.mutable_learner()->set_num_ranks(4);
  config_.mutable_learner()->set_checkpoint_every(1);
  config_.mutable_ppo()->set_num_updates(1000);
  config_.set_initial_policy("moved/model");
  config_.set_prompts("moved/prompts.jsonl");
  EXPECT_OK(CheckResumable(folder_, Identity()));
}

TEST_F(LearnerStateTest, AnotherRunIsRefusedWithAllThatDiffers) {
  Save(MakeTrainer(1));
  config_.set_seed(2);
  config_.mutable_ppo()->set_learning_rate(0.5);
  config_.mutable_sampling()->set_temperature(0.5);
  prompts_[1].set_prompt_id("p3");
  const RunIdentity identity =
      IdentifyRun(config_, MakeTinyModel(2).parameters(), prompts_);
  EXPECT_THAT(
      CheckResumable(folder_, identity),
      StatusIs(
          absl::StatusCode::kFailedPrecondition,
          AllOf(HasSubstr("seed: 1 -> 2"), HasSubstr("ppo.learning_rate: "),
                HasSubstr("sampling.temperature: "),
                HasSubstr("initial_policy: "), HasSubstr("prompts: "),
                HasSubstr("undo the change, or give the new run"))));
}

TEST_F(LearnerStateTest, AStrangeStateNamesTheFile) {
  Save(MakeTrainer(1));
  PpoTrainer trainer = MakeTrainer(1);
  for (const char* text : {"", "[]", "{}", "{\"update\": \"x\"}"}) {
    ASSERT_OK(WriteFileAtomically(folder_ + "/state.json", text));
    EXPECT_THAT(LoadLearner(folder_, trainer).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(folder_ + "/state.json")))
        << text;
  }
}

class CheckHistoryTest : public testing::Test {
 protected:
  void Journals(const std::vector<std::string>& names) {
    ASSERT_OK(MakeDirectories(dir_ / "rollouts"));
    for (const std::string& name : names) {
      ASSERT_OK(WriteFileAtomically(dir_ / ("rollouts/" + name), "x"));
    }
  }
  void Metrics(int64_t updates) {
    for (int64_t update = 1; update <= updates; ++update) {
      v1::UpdateReport report;
      report.set_update(update);
      ASSERT_OK(AppendLine(dir_ / "metrics.jsonl", ProtoToJsonLine(report)));
    }
  }
  absl::Status Check(int64_t done) { return CheckHistory(dir_.path(), done); }

  const TempDir dir_;
};

TEST_F(CheckHistoryTest, ANewRunHasNone) { EXPECT_OK(Check(0)); }

TEST_F(CheckHistoryTest, WithAllJournalsStartingFromZeroIsExactAndSaid) {
  Journals(
      {"000001.pb", "000002.poisoned.pb", "000002.poisoned.json", "000003.pb"});
  Metrics(2);
  testing::internal::CaptureStderr();
  EXPECT_OK(Check(0));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("journals of updates 1 to 3, which are all there"));
}

TEST_F(CheckHistoryTest, AJournalLostInBetweenIsRefused) {
  Journals({"000001.pb", "000003.pb"});
  EXPECT_THAT(Check(0), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("no checkpoint"),
                                       HasSubstr("of updates 2 are missing"))));
  // A checkpoint after it makes it unnecessary.
  EXPECT_OK(Check(2));
}

TEST_F(CheckHistoryTest, MetricsWithoutJournalsAreRefused) {
  Metrics(12);
  EXPECT_THAT(Check(0), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("knows of 12 updates"),
                                       HasSubstr("1, 2, 3, 4, 5, …"))));
  EXPECT_THAT(Check(10),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("newest checkpoint is of update 10"),
                             HasSubstr("updates 11, 12 are missing"))));
  EXPECT_OK(Check(12));
}

TEST_F(CheckHistoryTest, ATornLineTellsNothing) {
  Metrics(1);
  ASSERT_OK(AppendLine(dir_ / "metrics.jsonl", "{\"update\": \"9"));
  EXPECT_OK(Check(1));
}

}  // namespace
}  // namespace rlhf
