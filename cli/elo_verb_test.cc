#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/preference_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class EloVerbTest : public testing::Test {
 protected:
  // Nobody listens at port 1.
  void SetUp() override {
    ASSERT_OK(WriteFileAtomically(
        config_path_,
        absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                     "prompts: \"p.jsonl\"\nruns_dir: \"",
                     folder_.path(),
                     "\"\nfeedback { http_address: \"127.0.0.1:1\" "
                     "address: \"127.0.0.1:2\" }\n")));
  }

  // Adds `count` comparisons of versions `a` and `b` to lines_.
  void Add(int64_t a, int64_t b, const std::string& choice, int count = 1,
           const std::string& response_b = "no") {
    const bool decided = choice == "A_BETTER" || choice == "B_BETTER";
    for (int i = 0; i < count; ++i) {
      ++num_lines_;
      absl::StrAppend(
          &lines_,
          DumpJson({{"comparison_id", absl::StrCat("c", num_lines_)},
                    {"prompt",
                     {{"messages",
                       Json::array(
                           {{{"role", "user"},
                             {"content", absl::StrCat(num_lines_, "+1?")}}})}}},
                    {"response_a", absl::StrCat("it is ", num_lines_ + 1)},
                    {"response_b", response_b},
                    {"choice", choice},
                    {"strength", decided ? 1 : 0},
                    {"policy_version_a", a},
                    {"policy_version_b", b}}),
          "\n");
    }
  }

  // 57 : 43 for version 4.
  void AddVersions0And4() {
    Add(4, 0, "A_BETTER", 30);
    Add(0, 4, "B_BETTER", 27);
    Add(4, 0, "B_BETTER", 40);
    Add(0, 4, "A_BETTER", 3);
  }

  // A file of lines_.
  std::string File() {
    EXPECT_OK(WriteFileAtomically(folder_ / "games.jsonl", lines_));
    return folder_ / "games.jsonl";
  }

  // Puts lines_ into the run's log, as answers at its own page.
  void StoreLines() {
    ASSERT_OK_AND_ASSIGN(const auto store, OpenStore());
    ASSERT_OK_AND_ASSIGN(ParsedComparisons parsed,
                         ParseComparisons(lines_, "games.jsonl"));
    for (v1::Comparison& comparison : parsed.comparisons) {
      comparison.set_source("page");
    }
    ASSERT_OK(store->AppendAll(parsed.comparisons));
  }

  absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenStore() {
    RLHF_RETURN_IF_ERROR(MakeDirectories(folder_ / "a/feedback"));
    return PreferenceStore::Open(folder_ / "a/feedback/comparisons.db", &clock_,
                                 &metrics_);
  }

  // Its exit code; what it prints is in out_, err_.
  int Rlhf(const std::vector<std::string>& args) {
    return RunCaptured(args, out_, err_);
  }

  int Elo(std::vector<std::string> args) {
    args.insert(args.begin(), "elo");
    return Rlhf(args);
  }

  // The same with --json, parsed.
  Json EloJson(std::vector<std::string> args) {
    args.push_back("--json");
    EXPECT_EQ(Elo(args), 0) << err_;
    const auto json = ParseJson(out_);
    EXPECT_OK(json);
    return json.ok() ? *json : Json();
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  const RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::string lines_, out_, err_;
  int num_lines_ = 0;
};

// 400 / ln 10 * ln(57 / 43) is 49.0, and 1.96 standard errors are 68.8.
TEST_F(EloVerbTest, RatesTheVersionsOfAFile) {
  AddVersions0And4();
  EXPECT_EQ(Elo({File()}), 0) << err_;
  EXPECT_THAT(
      out_,
      AllOf(HasSubstr("Elo above policy v0"),
            HasSubstr("policy v4      100     57  +49 [-20, +118]         57.0 "
                      "%\n")));
  EXPECT_EQ(Elo({File(), "--zero", "4"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("Elo above policy v4"),
                          HasSubstr("-49 [-118, +20]")));
}

TEST_F(EloVerbTest, CountsWhatIsNoGame) {
  AddVersions0And4();
  Add(4, 0, "TIE", 3);
  Add(4, 0, "BOTH_BAD", 1);
  Add(0, 4, "SKIPPED", 2);
  Add(4, 4, "A_BETTER", 5);
  Add(-1, 4, "A_BETTER", 4);
  // As people publish them: without versions.
  absl::StrAppend(
      &lines_, R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})", "\n");
  EXPECT_EQ(Elo({File(), File()}), 0) << err_;
  EXPECT_THAT(
      out_, AllOf(HasSubstr("+49 [-20, +118]"),
                  HasSubstr("ignored: 3 ties, 1 both bad, 2 skipped, 5 of one "
                            "version with itself, 5 of an unknown version, "
                            "116 read before\n")));
}

TEST_F(EloVerbTest, SaysWhoHasNoRatingAndWhy) {
  AddVersions0And4();
  Add(8, 4, "A_BETTER", 3);
  Add(20, 21, "A_BETTER", 2);
  Add(20, 21, "B_BETTER", 2);
  const Json json = EloJson({File()});
  const Json& players = json["ratings"][0]["players"];
  ASSERT_EQ(players.size(), 5);
  EXPECT_NEAR(players[1]["elo"].get<double>(),
              400 / std::log(10) * std::log(57.0 / 43), 1e-6);
  EXPECT_EQ(players[2]["model"], "policy v8");
  EXPECT_EQ(players[2]["placement"], "above");
  EXPECT_EQ(players[2]["wins"], 3);
  EXPECT_EQ(players[3]["placement"], "not connected");
  EXPECT_EQ(json["ratings"][0]["not_connected"],
            Json::parse(R"([["policy v20", "policy v21"]])"));
}

TEST_F(EloVerbTest, WritesThePlot) {
  AddVersions0And4();
  const std::string path = folder_ / "elo.svg";
  EXPECT_EQ(Elo({File(), "--svg", path}), 0) << err_;
  ASSERT_OK_AND_ASSIGN(const std::string svg, ReadFile(path));
  EXPECT_THAT(svg, AllOf(HasSubstr("<svg "), HasSubstr(">v4</text>"),
                         HasSubstr(">people</text>"),
                         HasSubstr(">win rate against policy v0</text>")));
  EXPECT_NE(Elo({File(), "--svg", folder_ / "none/elo.svg"}), 0);
  EXPECT_THAT(err_, HasSubstr("none/elo.svg"));
}

TEST_F(EloVerbTest, ReadsARunsOwnComparisons) {
  EXPECT_EQ(Elo({"--config", config_path_}), 2);
  EXPECT_THAT(err_, HasSubstr("there is no preference store"));
  AddVersions0And4();
  StoreLines();
  EXPECT_EQ(Elo({"--config", config_path_}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("+49 [-20, +118]"));
}

TEST_F(EloVerbTest, RetractedComparisonsAreNoGames) {
  AddVersions0And4();
  StoreLines();
  {
    ASSERT_OK_AND_ASSIGN(const auto store, OpenStore());
    PreferenceStore::Selection first_30;
    for (int i = 1; i <= 30; ++i) {
      first_30.comparison_ids.push_back(absl::StrCat("c", i));
    }
    ASSERT_OK(store->Retract(first_30, "asked to", "grace"));
  }
  EXPECT_EQ(Elo({"--config", config_path_}), 0) << err_;
  // 27 wins of 70 are left: 400 log10(27 / 43) = -80.8.
  EXPECT_THAT(out_, AllOf(HasSubstr("-81"), Not(HasSubstr("ignored"))));
}

// It reads the same answers, whatever people said of them.
TEST_F(EloVerbTest, APmDecidesTheSameComparisonsWithoutPeoplesChoices) {
  ASSERT_OK(WriteTinyPm(folder_ / "pm", 3));
  std::string too_long;
  for (int i = 0; i < 1100; ++i) absl::StrAppend(&too_long, "word ");
  const auto rate = [&](const std::string& most, const std::string& some) {
    lines_.clear();
    num_lines_ = 0;
    Add(4, 0, most, 20);
    Add(0, 4, some, 20);
    Add(4, 0, most, 7);
    Add(4, 0, "TIE", 2);
    Add(4, 0, most, 1, too_long);
    return EloJson({File(), "--model", folder_ / "pm"})["ratings"];
  };
  const Json one = rate("A_BETTER", "A_BETTER");
  const Json other = rate("B_BETTER", "B_BETTER");
  ASSERT_EQ(one.size(), 2);
  EXPECT_EQ(one[0]["judge"], "people");
  EXPECT_EQ(one[0]["games"], 48);
  EXPECT_NE(one[0]["players"], other[0]["players"]);
  EXPECT_EQ(one[1]["judge"], "PM choices");
  EXPECT_EQ(one[1]["unreadable"], 1);
  EXPECT_EQ(one[1]["games"].get<int>() + one[1]["equal_scores"].get<int>(), 47);
  EXPECT_EQ(one[1]["players"], other[1]["players"]);
  // Or the PM alone.
  const Json alone =
      EloJson({File(), absl::StrCat("--by=pm:", folder_ / "pm")})["ratings"];
  ASSERT_EQ(alone.size(), 1);
  EXPECT_EQ(alone[0]["players"], one[1]["players"]);
}

TEST_F(EloVerbTest, WhatItCannotUseIsExplained) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{}, {File(), "--config", config_path_}}) {
    EXPECT_EQ(Elo(args), 2);
    EXPECT_THAT(err_, HasSubstr("wanted: --config C (a run's comparisons) or "
                                "FILE... (what `rlhf feedback import` reads), "
                                "not both"));
  }
  EXPECT_EQ(Elo({folder_ / "none.jsonl"}), 2);
  EXPECT_THAT(err_, HasSubstr("none.jsonl"));
  Add(3, 3, "A_BETTER", 2);
  Add(-1, -1, "A_BETTER", 1);
  EXPECT_EQ(Elo({File()}), 2);
  EXPECT_THAT(err_,
              HasSubstr("no comparison is between two known policy versions (2 "
                        "are of one version with itself, 1 of an unknown "
                        "version)"));
  AddVersions0And4();
  EXPECT_EQ(Elo({File(), "--zero=3"}), 2);
  EXPECT_THAT(err_, HasSubstr("--zero=3: policy v3 is in no comparison with "
                              "another version; those that are: 0, 4"));
  for (const char* by : {"--by=people", "--by=pm:"}) {
    EXPECT_EQ(Elo({File(), by}), 2);
    EXPECT_THAT(err_, HasSubstr("wanted crowd or pm:DIR"));
  }
}

}  // namespace
}  // namespace rlhf
