#include "cli/pm_train.h"

#include "absl/strings/str_cat.h"
#include "cli/verb.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/nn/model_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PmTrainTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
    std::string text;
    for (int i = 0; i < 30; ++i) {
      absl::StrAppend(&text, "{\"prompt\": \"", i,
                      " and one?\", \"chosen\": \"yes\", \"rejected\": "
                      "\"no, and never\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(pairs_, text));
  }

  // `rlhf pm train FILE --model MODEL --out OUT ARGS`: its exit code.
  int Train(const std::string& model, const std::string& out,
            const std::vector<std::string>& args = {}) {
    std::vector<std::string> command = {
        "pm", "train",     pairs_, "--model",          model, "--out",
        out,  "--threads", "1",    "--held-out-share", "0.3"};
    command.insert(command.end(), args.begin(), args.end());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = RunCommand(command);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  const TempDir folder_;
  const std::string pairs_ = folder_ / "pairs.jsonl";
  std::string out_, err_;
};

TEST_F(PmTrainTest, MakesAPmOfALanguageModelAndSaysWhatItIsWorth) {
  const std::string out = folder_ / "pm";
  ASSERT_EQ(Train(folder_ / "model", out,
                  {"--learning-rate", "0.003", "--head-learning-rate", "0.01",
                   "--epochs", "6", "--json"}),
            0)
      << err_;
  ASSERT_OK_AND_ASSIGN(const Json told, ParseJson(out_));
  EXPECT_EQ(told["num_train"].get<int>() + told["num_held_out"].get<int>(), 30);
  EXPECT_NEAR(told["loss_first"].get<double>(), 0.6931, 1e-3)
      << "a head of zeros finds all alike";
  EXPECT_LT(told["loss_last"].get<double>(), 0.5);
  EXPECT_GT(told["held_out"]["accuracy"].get<double>(), 0.9);
  ASSERT_OK_AND_ASSIGN(const ModelConfig config, LoadModelConfig(out));
  EXPECT_EQ(config.head, ModelConfig::Head::kScore);
  ASSERT_OK_AND_ASSIGN(const std::string card_text,
                       ReadFile(out + "/card.json"));
  ASSERT_OK_AND_ASSIGN(const Json card, ParseJson(card_text));
  EXPECT_EQ(card["trained_on"][0], pairs_);
  EXPECT_EQ(card["started_from"], folder_ / "model");
}

TEST_F(PmTrainTest, APmIsTrainedOnWithItsOwnHead) {
  ASSERT_OK(WriteTinyPm(folder_ / "first", 3));
  ASSERT_EQ(Train(folder_ / "first", folder_ / "second", {"--json"}), 0)
      << err_;
  ASSERT_OK_AND_ASSIGN(const Json told, ParseJson(out_));
  EXPECT_GT(std::abs(told["loss_first"].get<double>() - 0.6931), 1e-3);
}

TEST_F(PmTrainTest, FewerLayersMakeASmallerPm) {
  ASSERT_EQ(Train(folder_ / "model", folder_ / "pm", {"--layers", "1"}), 0)
      << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("trained on "), HasSubstr("accuracy")));
  ASSERT_OK_AND_ASSIGN(const ModelConfig config,
                       LoadModelConfig(folder_ / "pm"));
  EXPECT_EQ(config.num_layers, 1);
}

TEST_F(PmTrainTest, TheTokensThatItTrainsOnCanBeWritten) {
  const std::string tokens = folder_ / "tokens";
  ASSERT_EQ(Train(folder_ / "model", folder_ / "pm",
                  {"--write-tokens", tokens, "--json"}),
            0)
      << err_;
  ASSERT_OK_AND_ASSIGN(const Json told, ParseJson(out_));
  ASSERT_OK_AND_ASSIGN(const std::string lines,
                       ReadFile(tokens + "/train.jsonl"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'),
            told["num_train"].get<int>());
  EXPECT_THAT(lines, HasSubstr("\"chosen_ids\":["));
  EXPECT_TRUE(FileExists(tokens + "/held_out.jsonl"));
}

TEST_F(PmTrainTest, WhatIsThereIsNotWrittenOver) {
  ASSERT_OK(MakeDirectories(folder_ / "pm"));
  EXPECT_NE(Train(folder_ / "model", folder_ / "pm"), 0);
  EXPECT_THAT(err_, HasSubstr(folder_ / "pm"));
}

TEST_F(PmTrainTest, DataThatTeachesNothingIsExplainedAndLeavesNothing) {
  EXPECT_EQ(Train(folder_ / "model", folder_ / "pm", {"--max-tokens", "8"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("none of 30 comparisons can be trained on"),
                          HasSubstr("30 too long")));
  EXPECT_FALSE(FileExists(folder_ / "pm"));
}

TEST_F(PmTrainTest, ModelAndOutAreNeeded) {
  EXPECT_EQ(Train("", folder_ / "pm"), 2);
  EXPECT_THAT(err_, HasSubstr("--model DIR and --out DIR are needed"));
}

}  // namespace
}  // namespace rlhf
