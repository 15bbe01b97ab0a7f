#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/verb_fixtures.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class OodVerbTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteTinyModel(model_, 3));
    std::string sums, insults;
    for (int i = 0; i < 40; ++i) {
      absl::StrAppend(&sums, "{\"prompt\": \"What is ", i, " plus ", i * i,
                      "?\"}\n");
    }
    for (int i = 0; i < 12; ++i) {
      absl::StrAppend(&insults, "{\"prompt\": \"Tell the number ", i,
                      " that it is stupid\", \"response\": \"No.\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(sums_, sums));
    ASSERT_OK(WriteFileAtomically(insults_, insults));
  }

  // `rlhf ood ARGS`: its exit code; what it prints is in out_, err_.
  int Ood(std::vector<std::string> args) {
    args.insert(args.begin(), "ood");
    return RunCaptured(args, out_, err_);
  }

  int FitSums() {
    return Ood(
        {"fit", sums_, "--model", model_, "--layer", "1", "--out", detector_});
  }

  int Eval(const std::string& outside, std::vector<std::string> more) {
    std::vector<std::string> args = {"eval",    "--detector", detector_,
                                     "--model", model_,       "--inside",
                                     sums_,     "--outside",  outside};
    args.insert(args.end(), more.begin(), more.end());
    return Ood(args);
  }

  const TempDir folder_;
  const std::string model_ = folder_ / "model";
  const std::string sums_ = folder_ / "sums.jsonl";
  const std::string insults_ = folder_ / "insults.jsonl";
  const std::string detector_ = folder_ / "detector.json";
  std::string out_, err_;
};

TEST_F(OodVerbTest, ADetectorIsFittedThenMeasured) {
  ASSERT_EQ(FitSums(), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("fitted on 40 dialogues after layer 1"),
                          HasSubstr("dimension 32")));
  ASSERT_EQ(Eval(insults_, {"--shots", "3"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("simplified relative Mahalanobis"),
                          HasSubstr("exposure, 3 shots"),
                          HasSubstr("(s.d. of 5 draws)")));
  ASSERT_EQ(Eval(insults_, {"--shots", "3", "--json"}), 0) << err_;
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(out_));
  EXPECT_EQ(json["exposure"]["auroc_by_draw"].size(), 5u);
  for (const char* score : {"mahalanobis", "simplified_relative_mahalanobis"}) {
    const double value = json[score]["auroc"].get<double>();
    EXPECT_LE(json[score]["auroc_95"][0].get<double>(), value);
    EXPECT_GE(json[score]["auroc_95"][1].get<double>(), value);
  }
}

// Their areas are a half, whatever the scores.
TEST_F(OodVerbTest, AFileIsNotToldFromItself) {
  ASSERT_EQ(FitSums(), 0) << err_;
  ASSERT_EQ(Eval(sums_, {"--shots", "3", "--json"}), 0) << err_;
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(out_));
  EXPECT_NEAR(json["mahalanobis"]["auroc"].get<double>(), 0.5, 1e-9);
  EXPECT_NEAR(json["simplified_relative_mahalanobis"]["auroc"].get<double>(),
              0.5, 1e-9);
}

TEST_F(OodVerbTest, EachLineGetsItsScores) {
  ASSERT_EQ(FitSums(), 0) << err_;
  ASSERT_OK(WriteFileAtomically(
      folder_ / "input.jsonl",
      "{\"prompt\": \"What is 2 plus 4?\"}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"What is 2 plus "
      "4?\"}]}\n"
      "{\"prompt\": \"What is 2 plus 4?\", \"response\": \"Six.\"}\n"));
  ASSERT_EQ(Ood({"score", "--detector", detector_, "--model", model_, "--input",
                 folder_ / "input.jsonl"}),
            0)
      << err_;
  const std::vector<std::string> lines = absl::StrSplit(out_, '\n');
  ASSERT_EQ(lines.size(), 4u) << out_;
  EXPECT_EQ(lines[0], lines[1]);
  EXPECT_NE(lines[0], lines[2]);
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(lines[0]));
  EXPECT_GT(json["mahalanobis"].get<double>(), 0);
  EXPECT_TRUE(json["simplified_relative_mahalanobis"].is_number());
}

TEST_F(OodVerbTest, ARunsPromptsAreThoseThatAreNotTooFarOut) {
  ASSERT_EQ(FitSums(), 0) << err_;
  const std::string all = folder_ / "all.jsonl", kept = folder_ / "kept.jsonl";
  ASSERT_OK_AND_ASSIGN(const std::string sums, ReadFile(sums_));
  ASSERT_OK_AND_ASSIGN(const std::string insults, ReadFile(insults_));
  ASSERT_OK(WriteFileAtomically(all, sums + insults));
  // 4 of the 40 ordinary ones.
  ASSERT_EQ(Ood({"filter", all, "--detector", detector_, "--model", model_,
                 "--inside", sums_, "--refuse-share", "0.1", "--out", kept}),
            0)
      << err_;
  EXPECT_THAT(err_, HasSubstr(" of 52 dialogues"));
  double nearest_refused = 1e9;
  int num_refused = 0, num_sums_refused = 0;
  for (const absl::string_view line :
       absl::StrSplit(out_, '\n', absl::SkipEmpty())) {
    ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(std::string(line)));
    nearest_refused = std::min(
        nearest_refused, json["simplified_relative_mahalanobis"].get<double>());
    ++num_refused;
    num_sums_refused += json.contains("response") ? 0 : 1;
  }
  EXPECT_EQ(num_sums_refused, 4);
  ASSERT_EQ(Ood({"score", "--detector", detector_, "--model", model_, "--input",
                 kept}),
            0);
  int num_kept = 0;
  for (const absl::string_view line :
       absl::StrSplit(out_, '\n', absl::SkipEmpty())) {
    ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(std::string(line)));
    EXPECT_LT(json["simplified_relative_mahalanobis"].get<double>(),
              nearest_refused);
    ++num_kept;
  }
  EXPECT_EQ(num_kept + num_refused, 52);
}

TEST_F(OodVerbTest, ADetectorOfOtherWeightsOrADamagedOneIsRefused) {
  ASSERT_EQ(FitSums(), 0) << err_;
  ASSERT_OK(WriteTinyModel(folder_ / "other", 4));
  EXPECT_EQ(
      Ood({"score", "--detector", detector_, "--model", folder_ / "other"}), 2);
  EXPECT_THAT(err_, HasSubstr("detector.json: made with other weights than the "
                              "model's"));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(detector_));
  ASSERT_OK(WriteFileAtomically(
      detector_,
      absl::StrReplaceAll(text, {{"\"num_rows\":40", "\"num_rows\":41"}})));
  EXPECT_EQ(Ood({"score", "--detector", detector_, "--model", model_}), 2);
  EXPECT_THAT(err_, HasSubstr("detector.json: the fit is damaged"));
  ASSERT_OK(WriteFileAtomically(detector_, "{}"));
  EXPECT_EQ(Ood({"score", "--detector", detector_, "--model", model_}), 2);
  EXPECT_THAT(err_, HasSubstr("detector.json: no detector"));
}

TEST_F(OodVerbTest, WhatCannotBeFittedOrMeasuredIsExplained) {
  // The last token of every prompt is the same: its embedding says nothing.
  EXPECT_EQ(Ood({"fit", sums_, "--model", model_, "--layer", "0", "--out",
                 detector_}),
            2);
  EXPECT_THAT(err_, HasSubstr("all 40 rows of activations are the same"));
  EXPECT_EQ(Ood({"fit", sums_, "--model", model_, "--layer", "3", "--out",
                 detector_}),
            2);
  EXPECT_THAT(err_, HasSubstr("layer 3 of a model of 2 layers"));
  ASSERT_EQ(FitSums(), 0) << err_;
  EXPECT_EQ(Eval(insults_, {"--shots", "12"}), 2);
  EXPECT_THAT(err_, HasSubstr("12 shots of 12 outliers"));
}

TEST_F(OodVerbTest, AnythingElseIsExplained) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{}, {"fit"}, {"evl"}, {"score", "x"}}) {
    EXPECT_EQ(Ood(args), 2);
    EXPECT_THAT(err_,
                HasSubstr("wanted: fit FILE, eval, score, or filter FILE"));
  }
  EXPECT_EQ(Ood({"fit", sums_, "--model", model_}), 2);
  EXPECT_THAT(err_, HasSubstr("--out is needed"));
  EXPECT_EQ(Ood({"eval", "--model", model_}), 2);
  EXPECT_THAT(err_, HasSubstr("--detector is needed"));
}

}  // namespace
}  // namespace rlhf
