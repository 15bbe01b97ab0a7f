#include "feedback/requester_api.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/comparison_pages.h"
#include "feedback/http_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RequesterApiTest : public ::testing::Test {
 protected:
  RequesterApiTest() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    api_ = std::make_unique<RequesterApi>(
        RequesterApi::Options{.run_directory = dir_.path(),
                              .price_per_answer = 0.5},
        store_.get(), &clock_);
    http_ = std::make_unique<HttpApi>(/*desk=*/nullptr, store_.get(),
                                      &registry_, &metrics_,
                                      /*access=*/nullptr, api_.get());
  }

  void AddComparisons(int first, int last) {
    std::vector<v1::Comparison> comparisons;
    for (int i = first; i <= last; ++i) {
      v1::Comparison& comparison = comparisons.emplace_back();
      comparison.set_comparison_id(absl::StrCat("c", i));
      v1::Message* const message = comparison.mutable_prompt()->add_messages();
      message->set_role("user");
      message->set_content("2+2?");
      comparison.set_response_a("4");
      comparison.set_response_b("5");
      comparison.set_choice(i % 2 == 1 ? v1::A_BETTER : v1::TIE);
      comparison.set_strength(i % 2);
      comparison.set_worker_id("ada");
      comparison.set_source("page");
    }
    EXPECT_OK(store_->AppendAll(comparisons));
  }

  HttpResponse Get(const std::string& path,
                   std::map<std::string, std::string> query = {}) {
    return http_->Handle({.method = "GET",
                          .path = path,
                          .query = std::move(query),
                          .headers = {{"host", "127.0.0.1"}}});
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<RequesterApi> api_;
  std::unique_ptr<HttpApi> http_;
};

TEST_F(RequesterApiTest, NewestComparisonsComeFirst) {
  AddComparisons(1, 5);
  const Json json = *ParseJson(Get("/api/comparisons", {{"last", "3"}}).body);
  ASSERT_EQ(json["comparisons"].size(), 3u);
  EXPECT_EQ(json["comparisons"][0]["comparison_id"], "c5");
  EXPECT_EQ(json["comparisons"][2]["comparison_id"], "c3");
  EXPECT_EQ(json["comparisons"][0]["response_b"], "5");
  for (const char* bad : {"0", "101", "x", ""}) {
    const HttpResponse response = Get("/api/comparisons", {{"last", bad}});
    EXPECT_EQ(response.status, 400) << bad;
    EXPECT_THAT(response.body, HasSubstr("from 1 to 100"));
  }
}

TEST_F(RequesterApiTest, EmptyLogIsEmptyEverywhere) {
  EXPECT_EQ(Get("/api/comparisons").body, "{\"comparisons\":[]}\n");
  EXPECT_EQ(ParseJson(Get("/api/summary").body)->at("answers"), 0);
  EXPECT_EQ(Get("/api/pms").body, "{\"pms\":[]}\n");
  EXPECT_EQ(Get("/api/export").body, "");
}

TEST_F(RequesterApiTest, SummaryFollowsTheLog) {
  AddComparisons(1, 3);
  EXPECT_EQ(ParseJson(Get("/api/summary").body)->at("answers"), 3);
  AddComparisons(4, 5);
  const Json json = *ParseJson(Get("/api/summary").body);
  EXPECT_EQ(json["answers"], 5);
  EXPECT_EQ(json["spend"], 2.5);
  EXPECT_EQ(json["left_share"], 1);
}

TEST_F(RequesterApiTest, LongTextsAreCutInTheListAndWholeInAnExport) {
  std::string text = "x";
  for (int i = 0; i < 100'000; ++i) text += "\u00e9";
  v1::Comparison comparison;
  comparison.set_comparison_id("c1");
  comparison.set_choice(v1::TIE);
  comparison.set_response_a(text);
  comparison.set_response_b("short");
  ASSERT_OK(store_->Append(comparison));
  const HttpResponse list = Get("/api/comparisons");
  EXPECT_LT(list.body.size(), 10'000u);
  EXPECT_THAT(list.body, HasSubstr("\u00e9… (of 200001 bytes"));
  EXPECT_THAT(list.body, HasSubstr("\"short\""));
  EXPECT_THAT(Get("/api/export").body, HasSubstr(text));
}

TEST_F(RequesterApiTest, EloFollowsTheLogAndWhatIsTakenBack) {
  for (int i = 1; i <= 4; ++i) {
    v1::Comparison comparison;
    comparison.set_comparison_id(absl::StrCat("c", i));
    comparison.set_policy_version_b(2);
    comparison.set_choice(i == 1 ? v1::A_BETTER : v1::B_BETTER);
    ASSERT_OK(store_->Append(comparison));
    EXPECT_EQ(ParseJson(Get("/api/elo").body)->at("games"), i);
  }
  // 400 log10(3).
  EXPECT_NEAR(ParseJson(Get("/api/elo").body)->at("players")[1]["elo"], 190.85,
              0.01);
  ASSERT_OK(store_->Retract({.comparison_ids = {"c1"}}, "asked to", "op"));
  const Json json = *ParseJson(Get("/api/elo").body);
  EXPECT_EQ(json["games"], 3);
  EXPECT_EQ(json["players"][1]["placement"], "above");
}

TEST_F(RequesterApiTest, TheSummaryForgetsWhatIsTakenBack) {
  v1::Comparison comparison;
  comparison.set_comparison_id("c1");
  comparison.set_source("page");
  comparison.set_choice(v1::TIE);
  comparison.set_flagged(true);
  ASSERT_OK(store_->Append(comparison));
  EXPECT_EQ(ParseJson(Get("/api/summary").body)->at("flagged"), 1);
  EXPECT_EQ(ParseJson(Get("/api/summary").body)->at("undecided"), 1);
  ASSERT_OK(store_->Retract({.comparison_ids = {"c1"}}, "asked to", "op"));
  const Json summary = *ParseJson(Get("/api/summary").body);
  EXPECT_EQ(summary["flagged"], 0);
  EXPECT_EQ(summary["undecided"], 0);
  EXPECT_EQ(summary["answers"], 1) << "it was given, and is paid";
  EXPECT_EQ(summary["counted_seq"], 1);
}

TEST_F(RequesterApiTest, PmsAreTheRunsReportsAsTheyAreAppended) {
  const std::string path = dir_ / "pms.jsonl";
  ASSERT_OK(AppendLine(path, R"({"pm":{"version":"1"},"promoted":true})"));
  EXPECT_EQ(ParseJson(Get("/api/pms").body)->at("pms").size(), 1u);
  ASSERT_OK(AppendLine(path, R"({"pm":{"version":"2"},"promoted":false})"));
  const Json pms = ParseJson(Get("/api/pms").body)->at("pms");
  ASSERT_EQ(pms.size(), 2u);
  EXPECT_EQ(pms[1]["pm"]["version"], "2");
  for (int i = 3; i <= 60; ++i) {
    ASSERT_OK(
        AppendLine(path, absl::StrCat(R"({"pm":{"version":")", i, "\"}}")));
  }
  const Json many = ParseJson(Get("/api/pms").body)->at("pms");
  ASSERT_EQ(many.size(), 50u);
  EXPECT_EQ(many[49]["pm"]["version"], "60");
}

TEST_F(RequesterApiTest, ExportIsReadAgainAsItWas) {
  AddComparisons(1, 4);
  const HttpResponse all = Get("/api/export");
  EXPECT_EQ(all.content_type, "application/x-ndjson");
  ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                       ParseComparisons(all.body, "export"));
  ASSERT_EQ(parsed.comparisons.size(), 4u);
  EXPECT_EQ(parsed.comparisons[3].comparison_id(), "c4");
  EXPECT_THAT(Get("/api/export", {{"first", "3"}}).body,
              HasSubstr("\"comparison_id\":\"c3\""));
  // Two are decided.
  const std::string trl = Get("/api/export", {{"format", "trl"}}).body;
  EXPECT_EQ(std::count(trl.begin(), trl.end(), '\n'), 2);
  EXPECT_EQ(Get("/api/export", {{"format", "csv"}}).status, 400);
  EXPECT_EQ(Get("/api/export", {{"first", "5"}}).status, 400);
}

TEST_F(RequesterApiTest, RetractedComparisonsAreNotExported) {
  AddComparisons(1, 3);
  ASSERT_OK(store_->Retract({.comparison_ids = {"c2"}}, "asked to", "op"));
  const std::string text = Get("/api/export").body;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(
      ParseJson(Get("/api/comparisons").body)->at("comparisons")[1]["choice"],
      "RETRACTED");
}

TEST_F(RequesterApiTest, WithoutItItsRoutesAreNotThere) {
  HttpApi without(/*desk=*/nullptr, store_.get(), &registry_, &metrics_);
  EXPECT_EQ(without
                .Handle({.method = "GET",
                         .path = "/api/summary",
                         .headers = {{"host", "127.0.0.1"}}})
                .status,
            404);
}

TEST_F(RequesterApiTest, LongExportIsReadAsItIsSent) {
  AddComparisons(1, 2 * kComparisonsAtOnce + 10);
  HttpResponse response = Get("/api/export");
  std::string all = response.body;
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), kComparisonsAtOnce);
  ASSERT_NE(response.rest, nullptr);
  // Taken back while the client reads: not in what is read afterwards.
  const std::string second = absl::StrCat("c", kComparisonsAtOnce + 1);
  ASSERT_OK(store_->Retract({.comparison_ids = {second}}, "asked to", "op"));
  while (true) {
    ASSERT_OK_AND_ASSIGN(const std::string piece, response.rest());
    if (piece.empty()) break;
    EXPECT_LE(std::count(piece.begin(), piece.end(), '\n'), kComparisonsAtOnce);
    all += piece;
  }
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'),
            2 * kComparisonsAtOnce + 9);
  EXPECT_THAT(all, Not(HasSubstr(absl::StrCat("\"", second, "\""))));
  EXPECT_THAT(
      all, HasSubstr(absl::StrCat("\"c", 2 * kComparisonsAtOnce + 10, "\"")));
}

TEST_F(RequesterApiTest, PagesWithoutALineDoNotEndAnExport) {
  AddComparisons(1, 1);
  std::vector<v1::Comparison> ties(2 * kComparisonsAtOnce,
                                   store_->Read(1, 1)->at(0));
  for (size_t i = 0; i < ties.size(); ++i) {
    ties[i].set_choice(v1::TIE);
    ties[i].set_comparison_id(absl::StrCat("tie", i));
  }
  ASSERT_OK(store_->AppendAll(ties));
  AddComparisons(3, 3);
  HttpResponse response = Get("/api/export", {{"format", "trl"}});
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 1);
  ASSERT_NE(response.rest, nullptr);
  EXPECT_THAT(*response.rest(), HasSubstr("chosen"));
  EXPECT_EQ(*response.rest(), "");
}

}  // namespace
}  // namespace rlhf
