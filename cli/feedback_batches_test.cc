#include "cli/feedback_batches.h"

#include "absl/strings/str_cat.h"
#include "cli/feedback_verb_fixtures.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/feedback_server.h"
#include "feedback/import_export.h"
#include "feedback/open_work.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using FeedbackBatchesTest = FeedbackVerbTest;

// The two sides answer different prompts.
constexpr char kNoPreference[] =
    R"({"chosen": "\n\nHuman: a\n\nAssistant: b",)"
    R"( "rejected": "\n\nHuman: c\n\nAssistant: d"})"
    "\n";

TEST_F(FeedbackBatchesTest, AMalformedLineIsNamedAndNothingIsStored) {
  EXPECT_THAT(
      Feedback({"import", File("bad.jsonl", absl::StrCat(kPair, "{}\n"))}),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("bad.jsonl:2: "),
                     HasSubstr("nothing was imported"))));
  EXPECT_THAT(Feedback({"export", folder_ / "out.jsonl"}), IsOk());
  EXPECT_EQ(out_, absl::StrCat("0 comparisons written to ", folder_.path(),
                               "/out.jsonl\n"));
}

TEST_F(FeedbackBatchesTest, ALineThatIsNoPreferenceIsRefusedByNumber) {
  ASSERT_OK(Feedback(
      {"import", File("mixed.jsonl", absl::StrCat(kPair, kNoPreference))}));
  EXPECT_THAT(out_,
              AllOf(HasSubstr("1 comparison accepted"), HasSubstr("1 refused"),
                    HasSubstr("mixed.jsonl:2: ")));
}

TEST_F(FeedbackBatchesTest, ADryRunReportsAndWritesNothing) {
  ASSERT_OK(Feedback({"import", File("first.jsonl", kPair)}));
  ASSERT_OK(Feedback({"import", "--dry-run", File("next.jsonl", kOtherPair)}));
  EXPECT_THAT(out_, AllOf(StartsWith("dry run: nothing was written"),
                          HasSubstr("would be accepted")));
  ASSERT_OK(Feedback({"export", folder_ / "out.jsonl"}));
  EXPECT_THAT(out_, StartsWith("1 comparison written"));
  ASSERT_OK(Feedback({"batches"}));
  EXPECT_THAT(out_, Not(HasSubstr("next.jsonl")));
}

TEST_F(FeedbackBatchesTest, ADryRunIsTheFirstThingThatOneMayTry) {
  ASSERT_OK(Feedback({"import", "--dry-run", File("first.jsonl", kPair)}));
  EXPECT_THAT(out_, AllOf(StartsWith("dry run: nothing was written"),
                          HasSubstr("would be accepted")));
  EXPECT_FALSE(FileExists(folder_ / "a"));
}

TEST_F(FeedbackBatchesTest, ADryRunOfWhatWouldBeRefusedFailsAsTheImportDoes) {
  ASSERT_OK(Feedback({"import", File("first.jsonl", kPair)}));
  for (const bool dry_run : {true, false}) {
    std::vector<std::string> args = {"import", File("empty.jsonl", "\n")};
    if (dry_run) args.push_back("--dry-run");
    EXPECT_THAT(Feedback(args), StatusIs(StatusCode::kInvalidArgument,
                                         HasSubstr("nothing in it")));
  }
}

TEST_F(FeedbackBatchesTest, TheNewestBatchesAreListedAndHowToSeeOlderOnes) {
  ASSERT_OK(Feedback({"import", File("first.jsonl", kPair)}));
  ASSERT_OK(Feedback({"import", File("next.jsonl", kOtherPair)}));
  ASSERT_OK(Feedback({"batches", "--last", "1"}));
  const size_t hint =
      out_.find("older ones: rlhf feedback batches --config CONFIG --before ");
  ASSERT_NE(hint, std::string::npos) << out_;
  const std::string newest = out_.substr(out_.find("b-"), 26);
  EXPECT_THAT(out_.substr(hint), HasSubstr(newest));
  ASSERT_OK(Feedback({"batches", "--before", newest}));
  EXPECT_THAT(out_, AllOf(Not(HasSubstr(newest)), HasSubstr("b-"),
                          Not(HasSubstr("older ones"))));
  EXPECT_THAT(Feedback({"batches", "--before", "b-0"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("b-0")));
}

TEST_F(FeedbackBatchesTest, AQuarantinedBatchIsReleasedByNameAndReason) {
  const std::string batch = File(
      "mail.jsonl",
      R"({"prompt": "Who?", "chosen": "ada@example.org", "rejected": "no"})"
      "\n");
  ASSERT_OK(Feedback({"import", batch}));
  EXPECT_THAT(out_, AllOf(StartsWith("1 comparison waiting for a person"),
                          HasSubstr("LOOK personal_data"),
                          HasSubstr("e-mail address 1")));
  ASSERT_OK(Feedback({"batches"}));
  EXPECT_THAT(out_, HasSubstr("quarantined"));
  const std::string id = out_.substr(out_.find("b-"), 26);

  EXPECT_THAT(Feedback({"release", id}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("--by NAME")));
  ASSERT_OK(Feedback({"release", id, "--by", "ada", "--reason=mine"}));
  EXPECT_THAT(out_, AllOf(StartsWith("1 comparison accepted"),
                          HasSubstr("released by ada: mine")));
  ASSERT_OK(Feedback({"batches", id}));
  EXPECT_THAT(out_, HasSubstr("released by ada: mine"));
  EXPECT_THAT(Feedback({"refuse", id, "--by", "ada", "--reason=no"}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("nothing to decide")));
  EXPECT_THAT(Feedback({"refuse", "b-0", "--by", "ada", "--reason=no"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("no batch \"b-0\"")));
}

TEST_F(FeedbackBatchesTest, WhatIsRetractedIsGoneAndDoesNotComeBack) {
  ASSERT_OK(
      Feedback({"import", File("f.jsonl", absl::StrCat(kPair, kOtherPair))}));
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"retract", "--by=ada", "--reason=x"},
        {"retract", "--worker=a", "--batch=b", "--by=ada", "--reason=x"},
        {"retract", "--worker=a", "--by=ada"},
        {"retract", "--worker=a", "--reason=x"}}) {
    EXPECT_THAT(Feedback(args), StatusIs(StatusCode::kInvalidArgument,
                                         HasSubstr("one of --worker ID")));
  }
  EXPECT_THAT(
      Feedback({"retract", "--comparison=c", "--by=ada", "--reason=x"}),
      StatusIs(StatusCode::kNotFound, HasSubstr("there is no comparison")));
  ASSERT_OK(Feedback(
      {"retract", "--worker=import:f.jsonl", "--by=ada", "--reason=asked"}));
  EXPECT_EQ(out_,
            "2 comparisons retracted, 0 were before, 0 taken out of batches "
            "that wait\n"
            "PM versions that may have learned from it      none\n"
            "policy versions that may have learned from it  none\n");
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("2 comparisons, 2 of them retracted"));
  ASSERT_OK(Feedback({"import", File("again.jsonl", kPair)}));
  EXPECT_THAT(out_, AllOf(StartsWith("0 comparisons accepted"),
                          HasSubstr("1 of its comparisons was taken back")));
}

// What the worker said next goes on from it.
TEST_F(FeedbackBatchesTest, ARetractedAnswersNextTurnLeavesTheDiskToo) {
  ASSERT_OK(Feedback({"import", File("f.jsonl", kPair)}));
  ASSERT_OK(Feedback({"export", "-"}));
  ASSERT_OK_AND_ASSIGN(const Json line, ParseJson(out_));
  const std::string id = line["comparison_id"];
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work,
                       OpenWork::Open(folder_ / "a/feedback/open_work", found));
  v1::WaitingTurn turn;
  turn.set_worker_id("ada");
  turn.set_comparison_id(id);
  ASSERT_OK(work.Apply({.turns = {turn}}).status);
  ASSERT_EQ(ListDirectory(folder_ / "a/feedback/open_work").size(), 1u);
  ASSERT_OK(
      Feedback({"retract", "--comparison", id, "--by=ada", "--reason=a slip"}));
  EXPECT_TRUE(ListDirectory(folder_ / "a/feedback/open_work").empty());
}

// Small files of people who always choose the left side: the fifth waits, and
// suspects the four before it.
TEST_F(FeedbackBatchesTest, WhatABatchSuspectsIsTakenBackByItsId) {
  for (int file = 0; file < 5; ++file) {
    std::string text;
    for (int i = 10 * file; i < 10 * file + 10; ++i) {
      v1::Comparison one =
          FixtureComparison(i, absl::StrCat("w", i % 7),
                            i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
      one.set_shown_swapped(i % 2 == 1);
      absl::StrAppend(&text, *ComparisonLine(one), "\n");
    }
    ASSERT_OK(
        Feedback({"import", File(absl::StrCat("f", file, ".jsonl"), text)}));
  }
  EXPECT_THAT(out_, AllOf(StartsWith("10 comparisons waiting for a person"),
                          HasSubstr("--suspects-of b-")));
  const std::string id = out_.substr(out_.find("--suspects-of ") + 14, 26);
  EXPECT_THAT(
      Feedback({"retract", "--worker=nobody", "--by=ada", "--reason=typo"}),
      StatusIs(StatusCode::kNotFound, HasSubstr("nobody")))
      << "also while a batch waits, which is asked for this worker";
  ASSERT_OK(Feedback({"retract", absl::StrCat("--suspects-of=", id), "--by=ada",
                      "--reason=always left"}));
  EXPECT_THAT(out_, StartsWith("40 comparisons retracted, 0 were before, 0 "
                               "taken out of batches that wait\n"));
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("40 comparisons, 40 of them retracted"));
  // Asked again, which happens when it was cut off.
  ASSERT_OK(Feedback({"retract", absl::StrCat("--suspects-of=", id), "--by=ada",
                      "--reason=always left"}));
  EXPECT_THAT(out_, StartsWith("0 comparisons retracted, 40 were before"));
}

TEST_F(FeedbackBatchesTest, OnlyABatchThatSuspectsSomethingIsAskedForSuspects) {
  ASSERT_OK(Feedback({"import", File("f.jsonl", kPair)}));
  ASSERT_OK(Feedback({"batches"}));
  const std::string id = out_.substr(out_.find("b-"), 26);
  EXPECT_THAT(Feedback({"retract", absl::StrCat("--suspects-of=", id),
                        "--by=ada", "--reason=x"}),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("suspects nothing that came before it"),
                             HasSubstr(absl::StrCat("--batch ", id)))));
  EXPECT_THAT(
      Feedback({"retract", "--suspects-of=b-0", "--by=ada", "--reason=x"}),
      StatusIs(StatusCode::kNotFound, HasSubstr("\"b-0\"")));
  EXPECT_THAT(
      Feedback({"retract", "--suspects-of=b-0", "--batch=b-0", "--by=ada",
                "--reason=x"}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("--suspects-of BATCH")));
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("1 comparison, 0 of them retracted"));
}

// They are told in reports and in the log, a line each.
TEST_F(FeedbackBatchesTest, WhoAndWhyAreOneLineOfCharactersThatCanBeSeen) {
  ASSERT_OK(Feedback({"import", File("f.jsonl", kPair)}));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"release", "b-0"},
        {"refuse", "b-0"},
        {"retract", "--worker=import:f.jsonl"}}) {
    std::vector<std::string> by = command, reason = command;
    by.insert(by.end(), {"--by=ada\nbob: released", "--reason=asked"});
    EXPECT_THAT(Feedback(by), StatusIs(StatusCode::kInvalidArgument,
                                       AllOf(StartsWith("--by holds U+000A"),
                                             HasSubstr("leave it out"))));
    reason.insert(reason.end(), {"--by=ada", "--reason=a\x1b[2Jb"});
    EXPECT_THAT(Feedback(reason),
                StatusIs(StatusCode::kInvalidArgument,
                         StartsWith("--reason holds U+001B")));
  }
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("1 comparison, 0 of them retracted"));
}

TEST_F(FeedbackBatchesTest, RetractTellsWhichModelsMayHaveLearnedFromIt) {
  ASSERT_OK(
      Feedback({"import", File("f.jsonl", absl::StrCat(kPair, kOtherPair))}));
  v1::PmReport pm;
  pm.mutable_pm()->set_version(1);
  pm.mutable_data()->set_last_seq(2);
  // The clock was set back after it was read.
  pm.mutable_data()->set_read_unix_ms(
      absl::ToUnixMillis(absl::Now() + absl::Hours(1)));
  v1::UpdateReport update;
  update.set_update(1);
  update.set_policy_version(1);
  update.mutable_pm()->set_version(1);
  File("a/pms.jsonl", ProtoToJsonLine(pm) + "\n");
  File("a/metrics.jsonl", ProtoToJsonLine(update) + "\n");
  ASSERT_OK(
      Feedback({"retract", "--worker=import:f.jsonl", "--by=ada",
                "--reason=asked", "--set", "preference.held_out_share=0.01"}));
  EXPECT_THAT(out_, AllOf(HasSubstr("PM versions that may have learned from it "
                                    "     v1\n"),
                          HasSubstr("policy versions that may have learned "
                                    "from it  v1\n")));
}

// One on trial is not in pms.jsonl yet.
TEST_F(FeedbackBatchesTest, RetractTellsOfTheCandidateOnTrialToo) {
  ASSERT_OK(
      Feedback({"import", File("f.jsonl", absl::StrCat(kPair, kOtherPair))}));
  v1::PmReport pm;
  pm.mutable_data()->set_last_seq(2);
  ASSERT_OK_AND_ASSIGN(const Json report, ParseJson(ProtoToJsonLine(pm)));
  ASSERT_OK(ModelRegistry(folder_ / "a/registry/pm")
                .Publish(1, {{"report", report}},
                         [](const std::string& folder) {
                           return WriteFileAtomically(folder + "/x", "x");
                         })
                .status());
  ASSERT_OK(
      Feedback({"retract", "--worker=import:f.jsonl", "--by=ada",
                "--reason=asked", "--set", "preference.held_out_share=0.01"}));
  EXPECT_THAT(out_, HasSubstr("PM versions that may have learned from it "
                              "     v1\n"));
}

TEST_F(FeedbackBatchesTest, BatchesGoInAndOutThroughTheServiceThatHasTheStore) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  config.mutable_feedback()->set_http_address("127.0.0.1:0");
  config.mutable_feedback()->set_address("127.0.0.1:0");
  v1::Prompt prompt;
  prompt.set_prompt_id("p");
  prompt.add_messages()->set_role("user");
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config, {prompt}));

  const std::string batch = File(
      "a batch & more.jsonl", absl::StrCat(kPair, kNoPreference, kOtherPair));
  EXPECT_THAT(Feedback({"import", batch}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("127.0.0.1:2")));
  WriteConfig(absl::StrCat("127.0.0.1:", server->http_port()),
              absl::StrCat("127.0.0.1:", server->grpc_port()));
  ASSERT_OK(Feedback({"import", batch}));
  EXPECT_THAT(out_,
              AllOf(HasSubstr("2 comparisons accepted, 0 were there before, 1 "
                              "refused"),
                    HasSubstr("a batch & more.jsonl:2: ")));
  ASSERT_OK(Feedback({"batches"}));
  EXPECT_THAT(out_, AllOf(HasSubstr("accepted"),
                          HasSubstr("import:a batch & more.jsonl")));
  ASSERT_OK(Feedback({"export", folder_ / "out.jsonl", "--format=trl"}));
  EXPECT_THAT(out_, HasSubstr("2 comparisons written"));
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("2 comparisons, 0 of them retracted"));
  ASSERT_OK(Feedback({"retract", "--worker=import:a batch & more.jsonl",
                      "--by=ada", "--reason=asked"}));
  EXPECT_THAT(out_, StartsWith("2 comparisons retracted"));
  ASSERT_OK_AND_ASSIGN(const std::string lines,
                       ReadFile(folder_ / "out.jsonl"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

}  // namespace
}  // namespace rlhf
