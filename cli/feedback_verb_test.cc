#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "cli/verbs.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/feedback_server.h"
#include "feedback/import_export.h"
#include "feedback/open_work.h"
#include "feedback/postgres.h"
#include "feedback/test_postgres.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kPair[] = R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"
                         "\n";
constexpr char kOtherPair[] =
    R"({"prompt": "3+3?", "chosen": "6", "rejected": "7"})"
    "\n";

// The two sides answer different prompts.
constexpr char kNoPreference[] =
    R"({"chosen": "\n\nHuman: a\n\nAssistant: b",)"
    R"( "rejected": "\n\nHuman: c\n\nAssistant: d"})"
    "\n";

class FeedbackVerbTest : public testing::Test {
 protected:
  // Nobody listens at port 1.
  void SetUp() override { WriteConfig("127.0.0.1:1", "127.0.0.1:2"); }

  void WriteConfig(const std::string& http_address,
                   const std::string& address) {
    ASSERT_OK(WriteFileAtomically(
        config_path_,
        absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                     "prompts: \"p.jsonl\"\nruns_dir: \"",
                     folder_.path(), "\"\nfeedback { http_address: \"",
                     http_address, "\" address: \"", address, "\" }\n")));
  }

  std::string File(const std::string& name, const std::string& text) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, text));
    return folder_ / name;
  }

  // `rlhf feedback --config C ARGS`; what it prints is in out_.
  absl::Status Feedback(std::vector<std::string> args) {
    args.insert(args.end(), {"--config", config_path_});
    const auto flags = Flags::Parse(FlagsOf("feedback"), args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = FeedbackVerb(*flags);
    out_ = testing::internal::GetCapturedStdout();
    return status;
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  std::string out_;
};

TEST_F(FeedbackVerbTest, ItSaysWhatItWants) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"import"}, {"import", "a", "b"}}) {
    EXPECT_THAT(Feedback(args),
                StatusIs(StatusCode::kInvalidArgument,
                         "wanted: rlhf feedback import FILE --config C"));
  }
  EXPECT_THAT(Feedback({"release"}),
              StatusIs(StatusCode::kInvalidArgument,
                       "wanted: rlhf feedback release ID --config C --by NAME "
                       "--reason WHY"));
  EXPECT_THAT(Feedback({"batches", "a", "b"}),
              StatusIs(StatusCode::kInvalidArgument,
                       "wanted: rlhf feedback batches [ID] --config C"));
  EXPECT_THAT(
      Feedback({"stats", "x"}),
      StatusIs(StatusCode::kInvalidArgument,
               "there is no command \"stats\"; wanted: nothing (the service), "
               "import FILE, export FILE, batches [ID], release ID, refuse ID, "
               "retract, backup FILE, verify, invite, accounts, token, disable "
               "NAME"));
}

TEST_F(FeedbackVerbTest, WhatIsImportedIsExported) {
  const std::string batch =
      File("batch.jsonl", absl::StrCat(kPair, kOtherPair));
  ASSERT_OK(Feedback({"import", batch}));
  EXPECT_THAT(out_, StartsWith("2 comparisons accepted, 0 were there before, "
                               "0 refused\n"));
  ASSERT_OK(Feedback({"import", batch}));
  EXPECT_THAT(out_, StartsWith("0 comparisons accepted, 2 were there before, "
                               "0 refused\n"));
  ASSERT_OK(Feedback({"import", File("copy.jsonl", kOtherPair)}));
  EXPECT_THAT(out_, StartsWith("0 comparisons accepted, 1 were there before, "
                               "0 refused\n"));

  const std::string out = folder_ / "out.jsonl";
  ASSERT_OK(Feedback({"export", out, "--format", "trl"}));
  EXPECT_EQ(out_, absl::StrCat("2 comparisons written to ", out, "\n"));
  ASSERT_OK_AND_ASSIGN(const std::string lines, ReadFile(out));
  ASSERT_OK_AND_ASSIGN(const Json first,
                       ParseJson(lines.substr(0, lines.find('\n'))));
  EXPECT_EQ(first["chosen"][0]["content"], "4");
  EXPECT_EQ(first["rejected"][0]["content"], "5");
}

TEST_F(FeedbackVerbTest, AnExportToADashIsLinesOnStandardOutput) {
  ASSERT_OK(Feedback({"import", File("batch.jsonl", kPair)}));
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  EXPECT_OK(Feedback({"export", "-", "--format=trl"}));
  std::filesystem::current_path(before);
  EXPECT_FALSE(FileExists(folder_ / "-"));
  ASSERT_OK_AND_ASSIGN(const Json line, ParseJson(out_));
  EXPECT_EQ(line["chosen"][0]["content"], "4");
}

TEST_F(FeedbackVerbTest, AMalformedLineIsNamedAndNothingIsStored) {
  EXPECT_THAT(
      Feedback({"import", File("bad.jsonl", absl::StrCat(kPair, "{}\n"))}),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("bad.jsonl:2: "),
                     HasSubstr("nothing was imported"))));
  EXPECT_THAT(Feedback({"export", folder_ / "out.jsonl"}), IsOk());
  EXPECT_EQ(out_, absl::StrCat("0 comparisons written to ", folder_.path(),
                               "/out.jsonl\n"));
}

TEST_F(FeedbackVerbTest, ALineThatIsNoPreferenceIsRefusedByNumber) {
  ASSERT_OK(Feedback(
      {"import", File("mixed.jsonl", absl::StrCat(kPair, kNoPreference))}));
  EXPECT_THAT(out_,
              AllOf(HasSubstr("1 comparison accepted"), HasSubstr("1 refused"),
                    HasSubstr("mixed.jsonl:2: ")));
}

TEST_F(FeedbackVerbTest, WhatHasNoStoreHasNothingToExportOrToDecideOn) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"export", folder_ / "out.jsonl"},
        {"batches"}}) {
    EXPECT_THAT(Feedback(args),
                StatusIs(StatusCode::kNotFound,
                         AllOf(HasSubstr("a/feedback/comparisons.db"),
                               HasSubstr("there is no preference store"))));
  }
  EXPECT_FALSE(FileExists(folder_ / "out.jsonl"));
}

TEST_F(FeedbackVerbTest, ADryRunReportsAndWritesNothing) {
  ASSERT_OK(Feedback({"import", File("first.jsonl", kPair)}));
  ASSERT_OK(Feedback({"import", "--dry-run", File("next.jsonl", kOtherPair)}));
  EXPECT_THAT(out_, AllOf(StartsWith("dry run: nothing was written"),
                          HasSubstr("would be accepted")));
  ASSERT_OK(Feedback({"export", folder_ / "out.jsonl"}));
  EXPECT_THAT(out_, StartsWith("1 comparison written"));
  ASSERT_OK(Feedback({"batches"}));
  EXPECT_THAT(out_, Not(HasSubstr("next.jsonl")));
}

TEST_F(FeedbackVerbTest, ADryRunIsTheFirstThingThatOneMayTry) {
  ASSERT_OK(Feedback({"import", "--dry-run", File("first.jsonl", kPair)}));
  EXPECT_THAT(out_, AllOf(StartsWith("dry run: nothing was written"),
                          HasSubstr("would be accepted")));
  EXPECT_FALSE(FileExists(folder_ / "a"));
}

TEST_F(FeedbackVerbTest, ADryRunOfWhatWouldBeRefusedFailsAsTheImportDoes) {
  ASSERT_OK(Feedback({"import", File("first.jsonl", kPair)}));
  for (const bool dry_run : {true, false}) {
    std::vector<std::string> args = {"import", File("empty.jsonl", "\n")};
    if (dry_run) args.push_back("--dry-run");
    EXPECT_THAT(Feedback(args), StatusIs(StatusCode::kInvalidArgument,
                                         HasSubstr("nothing in it")));
  }
}

TEST_F(FeedbackVerbTest, AFlagThatACommandWouldPassOverIsRefused) {
  EXPECT_THAT(
      Feedback({"import", File("batch.jsonl", kPair), "--format", "argilla"}),
      StatusIs(StatusCode::kInvalidArgument,
               "rlhf feedback import takes no --format: the form is found by "
               "the contents; it takes --dry-run"));
  EXPECT_THAT(Feedback({"verify", "--dry-run"}),
              StatusIs(StatusCode::kInvalidArgument,
                       "rlhf feedback verify takes no --dry-run"));
  for (const char* const flag : {"--last=1", "--before=b-1"}) {
    const std::string name(flag, std::string(flag).find('='));
    EXPECT_THAT(
        Feedback({"batches", "b-0", flag}),
        StatusIs(StatusCode::kInvalidArgument,
                 absl::StrCat("rlhf feedback batches ID takes no ", name)));
  }
}

TEST_F(FeedbackVerbTest, TheNewestBatchesAreListedAndHowToSeeOlderOnes) {
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

TEST_F(FeedbackVerbTest, AQuarantinedBatchIsReleasedByNameAndReason) {
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

TEST_F(FeedbackVerbTest, BackupIsAStoreAndVerifyProvesTheLog) {
  EXPECT_THAT(Feedback({"verify"}),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("there is no preference store")));
  ASSERT_OK(Feedback(
      {"import", File("batch.jsonl", absl::StrCat(kPair, kOtherPair))}));
  const std::string copy = folder_ / "copy.db";
  ASSERT_OK(Feedback({"backup", copy}));
  EXPECT_EQ(out_,
            absl::StrCat("2 comparisons copied to ", copy, " and verified\n"));
  EXPECT_TRUE(FileExists(copy));
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, HasSubstr("2 comparisons, 0 of them retracted, of 1 "
                              "worker: the chain holds\nhead "));

  ASSERT_OK(WriteFileAtomically(folder_ / "a/feedback/comparisons.db", "x"));
  EXPECT_THAT(Feedback({"verify"}),
              StatusIs(StatusCode::kDataLoss, HasSubstr("restore a backup")));
}

TEST_F(FeedbackVerbTest, ADatabaseThatIsNoneIsNamed) {
  EXPECT_THAT(Feedback({"verify", "--set", "feedback.database=mysql://x"}),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("feedback.database"),
                             HasSubstr("postgresql://USER@HOST/DATABASE"))));
}

TEST_F(FeedbackVerbTest, WhatOnlyLooksMakesNothingInADatabase) {
  if (!TestPostgres::IsInstalled()) {
    GTEST_SKIP() << "needs a PostgreSQL server: apt-get install postgresql";
  }
  const std::string url = TestPostgres::Shared().Url();
  const std::vector<std::string> there = {
      "--set", absl::StrCat("feedback.database=", url)};
  const auto feedback = [&](std::vector<std::string> args) {
    args.insert(args.end(), there.begin(), there.end());
    return Feedback(args);
  };
  ASSERT_OK(feedback({"import", "--dry-run", File("f.jsonl", kPair)}));
  EXPECT_THAT(out_, StartsWith("dry run: nothing was written"));
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"batches"},
        {"export", folder_ / "out.jsonl"},
        {"verify"}}) {
    EXPECT_THAT(feedback(args),
                StatusIs(StatusCode::kNotFound,
                         HasSubstr("there is no preference store")));
  }
  ASSERT_OK_AND_ASSIGN(PostgresSession session,
                       PostgresSession::Connect(url, {}));
  ASSERT_OK_AND_ASSIGN(
      const PostgresResult found,
      session.Query("SELECT count(*) FROM pg_namespace WHERE nspname = "
                    "'rlhf_a'"));
  EXPECT_EQ(found.Int(0, 0), 0);

  ASSERT_OK(feedback({"import", folder_ / "f.jsonl"}));
  ASSERT_OK(feedback({"import", "--dry-run", folder_ / "f.jsonl"}));
  EXPECT_THAT(out_, HasSubstr("handed in before")) << "beside the log, now";
  ASSERT_OK(feedback({"verify"}));
  EXPECT_THAT(out_, StartsWith("1 comparison, 0 of them retracted"));
}

TEST_F(FeedbackVerbTest, WhatIsRetractedIsGoneAndDoesNotComeBack) {
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
TEST_F(FeedbackVerbTest, ARetractedAnswersNextTurnLeavesTheDiskToo) {
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
TEST_F(FeedbackVerbTest, WhatABatchSuspectsIsTakenBackByItsId) {
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

TEST_F(FeedbackVerbTest, OnlyABatchThatSuspectsSomethingIsAskedForSuspects) {
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
TEST_F(FeedbackVerbTest, WhoAndWhyAreOneLineOfCharactersThatCanBeSeen) {
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

TEST_F(FeedbackVerbTest, RetractTellsWhichModelsMayHaveLearnedFromIt) {
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
TEST_F(FeedbackVerbTest, RetractTellsOfTheCandidateOnTrialToo) {
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

TEST_F(FeedbackVerbTest, RefusesFilesAndFormatsThatItCannotUse) {
  EXPECT_THAT(Feedback({"import", folder_ / "none.jsonl"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("none.jsonl")));
  EXPECT_THAT(Feedback({"export", folder_ / "out", "--format=csv"}),
              StatusIs(StatusCode::kInvalidArgument,
                       "--format=csv: wanted rlhf or trl"));
}

TEST_F(FeedbackVerbTest, AStoreThatCannotBeReadIsNotLookedForInTheService) {
  ASSERT_OK(MakeDirectories(folder_ / "a/feedback"));
  File("a/feedback/comparisons.db", "not a database");
  EXPECT_THAT(Feedback({"import", File("batch.jsonl", kPair)}),
              StatusIs(StatusCode::kDataLoss, HasSubstr("comparisons.db")));
}

TEST_F(FeedbackVerbTest, BatchesGoInAndOutThroughTheServiceThatHasTheStore) {
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
