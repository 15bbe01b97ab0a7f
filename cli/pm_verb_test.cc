#include <cmath>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/registry/model_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PmVerbTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteFileAtomically(
        config_path_, absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                                   "prompts: \"p.jsonl\"\nruns_dir: \"",
                                   folder_.path(), "\"\n")));
  }

  // Publishes versions 1 and 2; both served, 2 serves.
  void PublishTwo() {
    for (const int version : {1, 2}) {
      ASSERT_OK(registry_
                    .Publish(version,
                             {{"report",
                               {{"held_out_accuracy", 0.7},
                                {"promoted", true},
                                {"verdict", "promoted: good"}}}},
                             [](const std::string& folder) {
                               return WriteFileAtomically(
                                   folder + "/config.json", "{}");
                             })
                    .status());
      ASSERT_OK_AND_ASSIGN(const auto serving, registry_.Alias("serving"));
      ASSERT_OK(registry_.Promote(version, serving, {"gate", "good"}));
    }
  }

  // `rlhf pm ARGS --config C`: its exit code; what it prints is in out_, err_.
  int Pm(std::vector<std::string> args) {
    args.insert(args.begin(), "pm");
    args.insert(args.end(), {"--config", config_path_});
    return RunCaptured(args, out_, err_);
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  const ModelRegistry registry_{folder_ / "a/registry/pm"};
  std::string out_, err_;
};

TEST_F(PmVerbTest, ListShowsWhichServes) {
  PublishTwo();
  EXPECT_EQ(Pm({"list"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("v1   previous"), HasSubstr("v2   serving"),
                          HasSubstr("0.700"), HasSubstr("promoted\n")));
  EXPECT_EQ(Pm({"list", "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr("\"aliases\":[\"serving\"]"));
}

TEST_F(PmVerbTest, ARollbackIsOneCommandAndLeavesWhoAndWhy) {
  PublishTwo();
  EXPECT_EQ(Pm({"rollback", "--by", "ann", "--reason", "likes lists"}), 0);
  EXPECT_EQ(out_, "PM version 1 serves again\n");
  EXPECT_EQ(Pm({"history"}), 0);
  EXPECT_THAT(out_, HasSubstr("ann        previous=v2 serving=v1"));
  EXPECT_THAT(out_, HasSubstr("likes lists"));
  EXPECT_EQ(Pm({"promote", "v2", "--by", "bob", "--reason", "no, it is fine"}),
            0);
  EXPECT_EQ(out_, "PM version 2 serves; version 1 did before\n");
}

TEST_F(PmVerbTest, ADecisionWithoutNameOrReasonIsRefused) {
  PublishTwo();
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"rollback"},
        {"rollback", "--by", "ann"},
        {"promote", "1", "--reason", "because"}}) {
    EXPECT_EQ(Pm(args), 2);
    EXPECT_THAT(err_, HasSubstr("--by NAME and --reason TEXT are needed"));
  }
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(2));
}

TEST_F(PmVerbTest, NothingToGoBackToIsTheCallersMistake) {
  EXPECT_EQ(Pm({"rollback", "--by", "ann", "--reason", "x"}), 2);
  EXPECT_THAT(err_, HasSubstr("nothing to go back to"));
}

TEST_F(PmVerbTest, ADamagedVersionIsNotPromoted) {
  PublishTwo();
  ASSERT_OK(
      WriteFileAtomically(registry_.Directory(1) + "/config.json", "{ }"));
  EXPECT_NE(Pm({"promote", "1", "--by", "ann", "--reason", "x"}), 0);
  EXPECT_THAT(err_, HasSubstr("config.json is not the file that was "
                              "published"));
  EXPECT_EQ(Pm({"promote", "one", "--by", "ann", "--reason", "x"}), 2);
  EXPECT_THAT(err_, HasSubstr("\"one\" is no version"));
}

TEST_F(PmVerbTest, EvalMeasuresAModelOnAFile) {
  ASSERT_OK(WriteTinyPm(folder_ / "pm", 3));
  std::string text;
  for (int i = 0; i < 12; ++i) {
    absl::StrAppend(&text, "{\"prompt\": \"", i, "+1?\", \"chosen\": \"yes ", i,
                    "\", \"rejected\": \"no\"}\n");
  }
  ASSERT_OK(WriteFileAtomically(folder_ / "pairs.jsonl", text));
  EXPECT_EQ(Pm({"eval", folder_ / "pairs.jsonl", "--model", folder_ / "pm",
                "--json"}),
            0)
      << err_;
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(out_));
  EXPECT_EQ(json["num_pairs"], 12);
  EXPECT_EQ(json["slices"]["turn"]["1"]["num_pairs"], 12);
  EXPECT_EQ(Pm({"eval", folder_ / "pairs.jsonl", "--model", folder_ / "pm"}),
            0);
  EXPECT_THAT(out_, AllOf(HasSubstr("accuracy"), HasSubstr("on 12"),
                          HasSubstr("best temperature")));
  EXPECT_EQ(Pm({"eval", folder_ / "pairs.jsonl"}), 2);
  EXPECT_THAT(err_, HasSubstr("--model is needed"));
}

TEST_F(PmVerbTest, EvalTellsWorkersAndTranches) {
  ASSERT_OK(WriteTinyPm(folder_ / "pm", 3));
  std::string text;
  for (int i = 0; i < 12; ++i) {
    for (const char* worker : {"ann", "bob"}) {
      absl::StrAppend(
          &text, "{\"prompt\": {\"messages\": [{\"role\": \"user\", ",
          "\"content\": \"", i, "+1?\"}]}, \"response_a\": \"yes ", i,
          "\", \"response_b\": \"no\", \"choice\": \"A_BETTER\", ",
          "\"strength\": 1, \"source\": \"page\", \"worker_id\": \"", worker,
          "\", \"policy_version_a\": ", i % 3, ", \"policy_version_b\": 0}\n");
    }
  }
  const std::string pairs = folder_ / "pairs.jsonl", pm = folder_ / "pm";
  ASSERT_OK(WriteFileAtomically(pairs, text));
  EXPECT_EQ(Pm({"eval", pairs, "--model", pm, "--json"}), 0) << err_;
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(out_));
  EXPECT_EQ(json["agreement"]["among_workers"]["compared"], 12);
  EXPECT_EQ(json["agreement"]["among_workers"]["share"], 1);
  EXPECT_EQ(json["agreement"]["workers"][0]["worker"], "ann");
  EXPECT_EQ(json["scores"]["tranches"][0]["tranche"], "base");
  EXPECT_EQ(json["scores"]["tranches"].size(), 3u);
  EXPECT_TRUE(json["scores"]["tranches"][1]["above_first"].contains("elo"));
  EXPECT_EQ(Pm({"eval", pairs, "--model", pm}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("workers on the same pairs     1.000"),
                          HasSubstr("PM and ann"), HasSubstr("online v2-3"),
                          HasSubstr("Elo")));
}

class PmInfluenceTest : public PmVerbTest {
 protected:
  // 40 comparisons in the run's store, and the tiny PM as version 1, which
  // serves and was trained on the first 30.
  void MakeRun() {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      absl::StrAppend(&text, "{\"prompt\": \"", i, "+1?\", \"chosen\": \"yes ",
                      i, "\", \"rejected\": \"no\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(folder_ / "pairs.jsonl", text));
    ASSERT_EQ(RunCommand({"feedback", "import", folder_ / "pairs.jsonl",
                          "--config", config_path_}),
              0);
    ASSERT_OK(registry_
                  .Publish(1, {{"report", {{"data", {{"last_seq", 30}}}}}},
                           [](const std::string& folder) {
                             return WriteTinyPm(folder, 3);
                           })
                  .status());
    ASSERT_OK(registry_.Promote(1, std::nullopt, {"gate", "good"}));
  }
};

TEST_F(PmInfluenceTest, ListsTheMostInfluentialAndTheMostDamaging) {
  MakeRun();
  EXPECT_EQ(Pm({"influence", "--top", "3", "--json"}), 0) << err_;
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(out_));
  EXPECT_EQ(json["pm"], 1);
  EXPECT_EQ(json["num_training"].get<int>() + json["num_held_out"].get<int>(),
            30)
      << "what came after the PM was not learned from";
  ASSERT_EQ(json["influential"].size(), 3u);
  const auto size = [](const Json& row) {
    return std::abs(row["score"].get<double>());
  };
  EXPECT_GE(size(json["influential"][0]), size(json["influential"][1]));
  for (const Json& row : json["damaging"]) {
    EXPECT_LT(row["score"].get<double>(), 0);
    EXPECT_LE(row["seq"].get<int>(), 30);
  }
  EXPECT_EQ(Pm({"influence", "v1"}), 0) << err_;
  EXPECT_THAT(
      out_, AllOf(HasSubstr("most damaging"), HasSubstr("import:pairs.jsonl")));
}

TEST_F(PmInfluenceTest, WithoutAServingPmOneMustBeNamed) {
  EXPECT_EQ(Pm({"influence"}), 2);
  EXPECT_THAT(err_, HasSubstr("no PM serves yet; name one"));
}

TEST_F(PmVerbTest, MakesPairsOfAStackExchangeDump) {
  const std::string posts = std::string(std::getenv("RLHF_SOURCE_DIR")) +
                            "/tests/fixtures/comparisons/posts.xml";
  const std::string out = folder_ / "pairs.jsonl";
  EXPECT_EQ(Pm({"pairs", posts, "--out", out}), 0);
  EXPECT_THAT(out_, HasSubstr("pairs of "));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(out));
  EXPECT_THAT(text, HasSubstr("\"chosen\""));
  EXPECT_EQ(Pm({"pairs", posts}), 2);
  EXPECT_EQ(Pm({"pairs", folder_ / "none.xml", "--out", out}), 2);
  EXPECT_THAT(err_, HasSubstr("cannot open"));
}

TEST_F(PmVerbTest, AnythingElseIsExplained) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{}, {"lst"}, {"promote"}, {"list", "x"}}) {
    EXPECT_EQ(Pm(args), 2);
    EXPECT_THAT(err_, HasSubstr("wanted: list, show VERSION, history, promote "
                                "VERSION, rollback, eval FILE, train FILE..., "
                                "pairs POSTS.xml, influence [VERSION], or "
                                "plots"));
  }
}

}  // namespace
}  // namespace rlhf
