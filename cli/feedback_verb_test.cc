#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/feedback_verb_fixtures.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "feedback/postgres.h"
#include "feedback/test_postgres.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

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

}  // namespace
}  // namespace rlhf
