#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "cli/verb.h"
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
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = RunCommand(args);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
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
                                "pairs POSTS.xml, or plots"));
  }
}

}  // namespace
}  // namespace rlhf
