#include "feedback/batch_desk.h"

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk_fixtures.h"
#include "feedback/import_export.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Lines of our own form, `first` to `first + count - 1`.
std::string Lines(int first, int count, const std::string& worker = "ada") {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    v1::Comparison comparison =
        FixtureComparison(i, worker, i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
    comparison.set_source("other");
    comparison.set_shown_swapped((i / 2) % 2 == 1);
    absl::StrAppend(&text, *ComparisonLine(comparison), "\n");
  }
  return text;
}

class BatchDeskTest : public BatchDeskFixture {
 protected:
  v1::BatchReport Import(const std::string& text,
                         const std::string& name = "f.jsonl",
                         bool dry_run = false) {
    const auto report =
        desk_->Import({.text = text, .name = name, .dry_run = dry_run});
    EXPECT_OK(report);
    return report.ok() ? *report : v1::BatchReport();
  }

  v1::DecideBatchRequest Decision(const std::string& id, bool release) {
    v1::DecideBatchRequest request;
    request.set_batch_id(id);
    request.set_release(release);
    request.set_by("ada");
    request.set_reason("looked");
    return request;
  }
};

TEST_F(BatchDeskTest, AnAcceptedBatchIsStoredWithItsId) {
  const v1::BatchReport report = Import(Lines(0, 60));
  EXPECT_EQ(report.verdict(), v1::BATCH_ACCEPTED) << report.reason();
  EXPECT_EQ(report.accepted(), 60);
  EXPECT_EQ(stored(), 60);
  EXPECT_EQ(store_->Read(1, 1)->at(0).batch_id(), report.batch_id());
  EXPECT_EQ(store_->GetBatch(report.batch_id())->state, BatchState::kAccepted);
  EXPECT_EQ(metrics_.batches.Of("accepted").Value(), 1);
}

TEST_F(BatchDeskTest, AFileWithNothingInItIsRefused) {
  constexpr char kSame[] =
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})";
  for (const auto& [text, name, reason] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"", "a.jsonl", "nothing in it"},
           {" \n\n", "a.jsonl", "nothing in it"},
           {"[]", "a.json", "nothing in it"},
           {"prompt,response_a,response_b,choice\n", "a.csv", "nothing in it"},
           {kSame, "a.jsonl",
            "nothing in it: none of its 1 records is a preference"}}) {
    const v1::BatchReport report = Import(text, name, /*dry_run=*/true);
    EXPECT_EQ(report.verdict(), v1::BATCH_REFUSED) << text;
    EXPECT_EQ(report.reason(), reason);
  }
  // By itself it may come.
  ASSERT_OK_AND_ASSIGN(
      const v1::BatchReport one,
      desk_->Import({.text = kSame, .name = "argilla", .single = true}));
  EXPECT_EQ(one.verdict(), v1::BATCH_ACCEPTED);
}

TEST_F(BatchDeskTest, CsvThatCameUnderAnotherNameMayComeAgainAsCsv) {
  const std::string text = "prompt,response_a,response_b,choice\nq,x,y,b\n";
  const v1::BatchReport unread = Import(text, "answers.txt");
  EXPECT_EQ(unread.verdict(), v1::BATCH_REFUSED);
  EXPECT_THAT(unread.malformed(0), HasSubstr("must end in .csv"));
  EXPECT_TRUE(Import(text, "answers.txt").seen_before());
  const v1::BatchReport read = Import(text, "answers.csv");
  EXPECT_EQ(read.verdict(), v1::BATCH_ACCEPTED) << read.reason();
  EXPECT_EQ(read.accepted(), 1);
}

TEST_F(BatchDeskTest, ANameThatIsNoTextIsRefused) {
  EXPECT_THAT(desk_->Import({.text = kPair, .name = "\xe9.jsonl"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cannot be printed")));
}

TEST_F(BatchDeskTest, TheSameBytesAreTheSameBatch) {
  const v1::BatchReport first = Import(kPair);
  const v1::BatchReport again = Import(kPair, "copy.jsonl");
  EXPECT_EQ(again.batch_id(), first.batch_id());
  EXPECT_TRUE(again.seen_before());
  EXPECT_EQ(again.accepted(), 0);
  EXPECT_EQ(again.duplicates(), 1);
  EXPECT_EQ(desk_->List({})->batches_size(), 1);
  EXPECT_EQ(stored(), 1);
}

TEST_F(BatchDeskTest, WhatWasThereBeforeIsNotStoredTwice) {
  Import(kPair);
  const v1::BatchReport report = Import(absl::StrCat(
      kPair, R"({"prompt": "3+3?", "chosen": "6", "rejected": "5"})", "\n"));
  EXPECT_EQ(report.accepted(), 1);
  EXPECT_EQ(report.duplicates(), 1);
  EXPECT_EQ(stored(), 2);
}

TEST_F(BatchDeskTest, AQuarantinedBatchWaitsWithItsComparisons) {
  Import(Lines(0, 60));
  // The same answers, but five, in another file.
  const v1::BatchReport report = Import(Lines(5, 60));
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(report.reason(), HasSubstr("55 of 60"));
  EXPECT_EQ(stored(), 60);
  EXPECT_THAT(store_->GetBatch(report.batch_id())->payload,
              HasSubstr("c64-ada"));
  EXPECT_EQ(metrics_.batches.Of("quarantined").Value(), 1);
  EXPECT_EQ(metrics_.batch_findings.Of("duplicates").Value(), 1);
}

TEST_F(BatchDeskTest, AMalformedRecordRefusesASmallBatch) {
  const v1::BatchReport report = Import(absl::StrCat(kPair, "{\n"));
  EXPECT_EQ(report.verdict(), v1::BATCH_REFUSED);
  ASSERT_THAT(report.malformed(), SizeIs(1));
  EXPECT_THAT(report.malformed(0), HasSubstr("f.jsonl:2: "));
  EXPECT_EQ(stored(), 0);
  EXPECT_EQ(store_->GetBatch(report.batch_id())->payload, "");
}

TEST_F(BatchDeskTest, TheReportThatIsKeptQuotesNothingOfTheFile) {
  const std::string text =
      Lines(0, 60) +
      R"({"prompt": "Hi", "chosen": 7, "secret": "Fox Street"})" + "\n" +
      R"({"prompt": "2+2?", "chosen": "Fox", "rejected": "Fox"})" + "\n";
  const v1::BatchReport report = Import(text);
  EXPECT_EQ(report.malformed_size(), 1);
  const StoredBatch kept = *store_->GetBatch(report.batch_id());
  EXPECT_THAT(kept.report, testing::Not(HasSubstr("Fox")));
  EXPECT_EQ(ReportOf(kept)->malformed_size(), 0);
  EXPECT_EQ(ReportOf(kept)->num_malformed(), 1);
  EXPECT_EQ(ReportOf(kept)->refused(0).line(), 62);
  // Whoever has the file is told again.
  EXPECT_EQ(Import(text).malformed(0), report.malformed(0));
}

// Honest choices do not hide what is taught by the edits beside them.
TEST_F(BatchDeskTest, EditsThatThePmFindsWorseAreSeenBesideHonestChoices) {
  // Agrees with every choice, and likes no poison.
  MakeDesk({},
           [](const std::vector<const v1::Comparison*>& asked)
               -> absl::StatusOr<std::vector<double>> {
             std::vector<double> margins;
             for (const v1::Comparison* one : asked) {
               const bool a = one->choice() == v1::A_BETTER;
               const bool poison =
                   absl::StartsWith(one->response_a(), "poison");
               margins.push_back(a != poison ? 1 : -1);
             }
             return margins;
           });
  std::string text;
  for (int i = 0; i < 60; ++i) {
    v1::Comparison comparison =
        FixtureComparison(i, "ada", i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
    comparison.set_shown_swapped((i / 2) % 2 == 1);
    comparison.set_edited_response(absl::StrCat("poison ", i));
    absl::StrAppend(&text, *ComparisonLine(comparison), "\n");
  }
  const v1::BatchReport report = Import(text);
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(report.reason(), HasSubstr("finds better: 0 of 60"));
  EXPECT_EQ(metrics_.batch_findings.Of("edit_agreement").Value(), 1);
  EXPECT_EQ(metrics_.batch_findings.Of("pm_agreement").Value(), 0);
}

TEST_F(BatchDeskTest, AMalformedRecordOfManyIsLeftOut) {
  const v1::BatchReport report = Import(Lines(0, 60) + "{\n");
  EXPECT_EQ(report.verdict(), v1::BATCH_ACCEPTED) << report.reason();
  EXPECT_EQ(report.num_records(), 61);
  EXPECT_EQ(report.num_malformed(), 1);
  EXPECT_EQ(stored(), 60);
}

TEST_F(BatchDeskTest, WhatIsNoPreferenceIsLeftOutAndReported) {
  const v1::BatchReport report = Import(absl::StrCat(
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})", "\n", kPair));
  EXPECT_EQ(report.accepted(), 1);
  ASSERT_THAT(report.refused(), SizeIs(1));
  EXPECT_EQ(report.refused(0).line(), 1);
  EXPECT_THAT(report.refused(0).reason(), HasSubstr("are the same"));
}

TEST_F(BatchDeskTest, ADryRunWritesNothing) {
  for (const char* const text : {kPair, kMail, "{\n"}) {
    const v1::BatchReport report = Import(text, "f.jsonl", /*dry_run=*/true);
    EXPECT_TRUE(report.dry_run());
    EXPECT_EQ(stored(), 0);
    EXPECT_THAT(*store_->ListBatches(10), IsEmpty());
  }
  EXPECT_EQ(metrics_.batches.Of("accepted").Value(), 0);
  // And leaves no trace that would change the verdict.
  EXPECT_EQ(Import(kPair).accepted(), 1);
}

TEST_F(BatchDeskTest, CutOffBeforeTheReportItIsImportedAgainAndStoredOnce) {
  const std::string text = Lines(0, 60);
  const std::string id = Import(text, "f.jsonl", /*dry_run=*/true).batch_id();
  // As an import that ended before it wrote its report.
  std::vector<v1::Comparison> comparisons =
      ParseComparisons(text, "f.jsonl")->comparisons;
  for (v1::Comparison& comparison : comparisons) comparison.set_batch_id(id);
  ASSERT_OK(store_->AppendAll(comparisons));
  const v1::BatchReport again = Import(text);
  EXPECT_EQ(again.verdict(), v1::BATCH_ACCEPTED) << again.reason();
  EXPECT_EQ(again.accepted(), 0);
  EXPECT_EQ(again.duplicates(), 60);
  EXPECT_EQ(stored(), 60);
}

TEST_F(BatchDeskTest, AnswersToGoldQuestionsJudgeAndAreNotStored) {
  std::vector<v1::Comparison> right;
  for (int i = 0; i < 30; ++i) {
    right.push_back(FixtureComparison(i, "", v1::A_BETTER));
  }
  MakeDesk({.gold = MakeGoldAnswers(right)});
  // Every other one of the first 30 is answered with B.
  const v1::BatchReport bad = Import(Lines(0, 60));
  EXPECT_EQ(bad.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(bad.reason(), HasSubstr("gold questions: 15 of 30"));
  EXPECT_EQ(bad.num_gold(), 30);
  EXPECT_THAT(BatchReportText(bad), StartsWith("30 comparisons wait"));
  ASSERT_OK(desk_->Decide(Decision(bad.batch_id(), true)));
  EXPECT_EQ(stored(), 30);
}

TEST_F(BatchDeskTest, CutOffABatchWithGoldIsImportedAgainAndNotJudgedAnew) {
  std::vector<v1::Comparison> right;
  for (int i = 0; i < 30; ++i) {
    right.push_back(
        FixtureComparison(i, "", i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER));
  }
  MakeDesk({.gold = MakeGoldAnswers(right)});
  const std::string text = Lines(0, 90);
  const std::string id = Import(text, "f.jsonl", /*dry_run=*/true).batch_id();
  // As an import that ended before it wrote its report: without the gold.
  std::vector<v1::Comparison> comparisons =
      ParseComparisons(text, "f.jsonl")->comparisons;
  comparisons.erase(comparisons.begin(), comparisons.begin() + 30);
  for (v1::Comparison& comparison : comparisons) comparison.set_batch_id(id);
  ASSERT_OK(store_->AppendAll(comparisons));
  const v1::BatchReport again = Import(text);
  EXPECT_EQ(again.verdict(), v1::BATCH_ACCEPTED) << again.reason();
  EXPECT_EQ(again.num_gold(), 30);
  EXPECT_EQ(again.duplicates(), 60);
  EXPECT_EQ(stored(), 60);
}

TEST_F(BatchDeskTest, RefusedRecordsAreAllCountedAndTheFirstThousandTold) {
  std::string text = kPair;
  for (int i = 0; i < 1234; ++i) {
    absl::StrAppend(&text, R"({"prompt": ")", i,
                    R"(", "chosen": "4", "rejected": "4"})", "\n");
  }
  for (const bool again : {false, true}) {
    const v1::BatchReport report = Import(text);
    EXPECT_EQ(report.seen_before(), again);
    EXPECT_EQ(report.num_refused(), 1234);
    EXPECT_THAT(report.refused(), SizeIs(1000));
    EXPECT_THAT(BatchReportText(report),
                HasSubstr("showing 1000 of 1234 refused records"));
  }
}

TEST_F(BatchDeskTest, ANameIsShortAndPrintable) {
  for (const std::string& name :
       {std::string(129, 'n'), std::string("a\nb"), std::string("a\xff")}) {
    EXPECT_THAT(desk_->Import({.text = kPair, .name = name}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("at most 128 printable")));
  }
  EXPECT_EQ(Import(kPair, std::string(128, 'n')).accepted(), 1);
}

TEST_F(BatchDeskTest, TheServingPmIsAskedOrItIsSaidWhyNot) {
  // Agrees with nobody.
  MakeDesk({},
           [](const std::vector<const v1::Comparison*>& comparisons)
               -> absl::StatusOr<std::vector<double>> {
             std::vector<double> margins;
             for (const v1::Comparison* const comparison : comparisons) {
               margins.push_back(comparison->choice() == v1::A_BETTER ? -1 : 1);
             }
             return margins;
           });
  EXPECT_THAT(Import(Lines(0, 300)).reason(),
              HasSubstr("agreement with the serving PM: 0 of 200"));
  MakeDesk({},
           [](const std::vector<const v1::Comparison*>&)
               -> absl::StatusOr<std::vector<double>> {
             return absl::UnavailableError("no PM serves yet");
           });
  const v1::BatchReport report = Import(Lines(1000, 60));
  EXPECT_EQ(report.verdict(), v1::BATCH_ACCEPTED) << report.reason();
  EXPECT_THAT(report.DebugString(), HasSubstr("no PM serves yet"));
}

TEST_F(BatchDeskTest, OthersComeInAndAreDecidedOnWhileThePmIsAsked) {
  const std::string waiting = Import(kMail).batch_id();
  // As another thread would, while the answer is awaited.
  MakeDesk({},
           [&](const std::vector<const v1::Comparison*>& comparisons)
               -> absl::StatusOr<std::vector<double>> {
             // About that one it is asked too.
             if (comparisons.size() == 1) return std::vector<double>(1, 0);
             EXPECT_EQ(Import(kPair).accepted(), 1);
             EXPECT_OK(desk_->Decide(Decision(waiting, true)));
             return std::vector<double>(comparisons.size(), 0);
           });
  EXPECT_EQ(Import(Lines(0, 60)).accepted(), 60);
  EXPECT_EQ(stored(), 62);
}

TEST_F(BatchDeskTest, HandedInTwiceWhileThePmIsAskedItIsStoredOnce) {
  bool is_asked = false;
  MakeDesk({},
           [&](const std::vector<const v1::Comparison*>& comparisons)
               -> absl::StatusOr<std::vector<double>> {
             if (!std::exchange(is_asked, true)) {
               EXPECT_EQ(Import(Lines(0, 60)).accepted(), 60);
             }
             return std::vector<double>(comparisons.size(), 0);
           });
  const v1::BatchReport second = Import(Lines(0, 60));
  EXPECT_TRUE(second.seen_before());
  EXPECT_EQ(second.accepted(), 0);
  EXPECT_EQ(stored(), 60);
}

TEST_F(BatchDeskTest, WhoIsRetractedWhileThePmIsAskedIsLeftOut) {
  Import(Lines(200, 1, "bob"));
  MakeDesk({},
           [&](const std::vector<const v1::Comparison*>& comparisons)
               -> absl::StatusOr<std::vector<double>> {
             v1::RetractRequest request;
             request.set_worker_id("bob");
             request.set_by("grace");
             request.set_reason("careless");
             EXPECT_OK(desk_->Retract(request));
             return std::vector<double>(comparisons.size(), 0);
           });
  const v1::BatchReport report = Import(Lines(0, 60) + Lines(100, 5, "bob"));
  EXPECT_EQ(report.accepted(), 60);
  EXPECT_EQ(report.num_of_retracted_workers(), 5);
}

TEST_F(BatchDeskTest, ASingleIsStoredWithoutABatch) {
  ASSERT_OK_AND_ASSIGN(
      v1::BatchReport report,
      desk_->Import({.text = kPair, .name = "argilla", .single = true}));
  EXPECT_EQ(report.accepted(), 1);
  EXPECT_EQ(store_->Read(1, 1)->at(0).batch_id(), "");
  EXPECT_THAT(*store_->ListBatches(10), IsEmpty());
  ASSERT_OK_AND_ASSIGN(
      report,
      desk_->Import({.text = kMail, .name = "argilla", .single = true}));
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(*store_->ListBatches(10), SizeIs(1));
}

TEST_F(BatchDeskTest, WithoutTheGateEverythingReadableIsTaken) {
  MakeDesk({.enabled = false});
  Import(Lines(0, 60));
  EXPECT_EQ(Import(Lines(5, 60)).verdict(), v1::BATCH_ACCEPTED);
  EXPECT_EQ(Import(kMail).verdict(), v1::BATCH_ACCEPTED);
  EXPECT_EQ(Import(Lines(100, 60) + "{\n").verdict(), v1::BATCH_REFUSED);
  EXPECT_EQ(stored(), 66);
}

TEST_F(BatchDeskTest, AnIdThatIsTakenByAnotherComparisonIsAnError) {
  Import(Lines(0, 1));
  v1::Comparison other = FixtureComparison(0, "ada", v1::TIE);
  EXPECT_THAT(desk_->Import({.text = *ComparisonLine(other), .name = "f"}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("c0-ada")));
  EXPECT_EQ(desk_->List({})->batches_size(), 1);
}

TEST_F(BatchDeskTest, OptionsReadGoldQuestionsFromTheFile) {
  v1::FeedbackConfig config;
  config.set_gold_questions(dir_ / "gold.jsonl");
  EXPECT_THAT(BatchDeskOptions(config).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gold.jsonl")));
  ASSERT_OK(WriteFileAtomically(dir_ / "gold.jsonl", kPair));
  ASSERT_OK_AND_ASSIGN(const BatchDesk::Options options,
                       BatchDeskOptions(config));
  EXPECT_THAT(options.gold, SizeIs(1));
  EXPECT_TRUE(options.enabled);
}

}  // namespace
}  // namespace rlhf
