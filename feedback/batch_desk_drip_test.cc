// What comes in batches too small to be judged by themselves.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk.h"
#include "feedback/batch_desk_fixtures.h"
#include "feedback/import_export.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Of fixture comparisons with an even seed A is better, of the others B.
absl::StatusOr<std::vector<double>> KnowsTheTruth(
    const std::vector<const v1::Comparison*>& comparisons) {
  std::vector<double> margins;
  for (const v1::Comparison* const one : comparisons) {
    const std::string& id = one->comparison_id();  // "cSEED-WORKER"
    int seed = 0;
    EXPECT_TRUE(absl::SimpleAtoi(id.substr(1, id.find('-') - 1), &seed)) << id;
    margins.push_back(seed % 2 == 0 ? 1 : -1);
  }
  return margins;
}

std::string Line(int seed, bool right) {
  v1::Comparison comparison =
      FixtureComparison(seed, absl::StrCat("w", seed % 7),
                        (seed % 2 == 0) == right ? v1::A_BETTER : v1::B_BETTER);
  comparison.set_shown_swapped((seed / 2) % 2 == 1);
  return absl::StrCat(*ComparisonLine(comparison), "\n");
}

// Of whoever always chooses the left side.
std::string LeftLine(int seed) {
  v1::Comparison comparison =
      FixtureComparison(seed, absl::StrCat("w", seed % 7),
                        seed % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
  comparison.set_shown_swapped(seed % 2 == 1);
  return absl::StrCat(*ComparisonLine(comparison), "\n");
}

class BatchDeskDripTest : public BatchDeskFixture {
 protected:
  BatchDeskDripTest() { MakeDesk({}, KnowsTheTruth); }

  // Killed after its comparisons were stored, before its report was.
  void ImportCutOff(const BatchDesk::File& file) {
    Reopen(/*num_commits=*/1);
    EXPECT_THAT(desk_->Import(file),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("killed")));
    Reopen(1000);
  }

  // `count` of always the left side, in a file.
  v1::BatchReport LeftFile(int first, int count) {
    const std::string text = LeftLines(first, count);
    return Taken({.text = text, .name = absl::StrCat("f", first, ".jsonl")});
  }
  static std::string LeftLines(int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i) {
      absl::StrAppend(&text, LeftLine(i));
    }
    return text;
  }

  v1::BatchReport Single(const std::string& line) {
    return Taken({.text = line, .name = "argilla", .single = true});
  }
  // Ten comparisons in a file of their own.
  v1::BatchReport File(int number, bool right) {
    std::string text;
    for (int i = 0; i < 10; ++i) {
      absl::StrAppend(&text, Line(10 * number + i, right));
    }
    return Taken({.text = text, .name = absl::StrCat("f", number, ".jsonl")});
  }
  v1::BatchReport Taken(const BatchDesk::File& file) {
    const auto report = desk_->Import(file);
    EXPECT_OK(report);
    return report.ok() ? *report : v1::BatchReport();
  }

  v1::RetractRequest RetractSuspects(const v1::BatchReport& report) {
    v1::RetractRequest request;
    *request.mutable_comparison_ids() = report.suspects().comparison_ids();
    request.set_by("grace");
    request.set_reason("flipped");
    return request;
  }
};

TEST_F(BatchDeskDripTest, FlippedLabelsThatDripInAreQuarantined) {
  v1::BatchReport report;
  int number = 0;
  do {
    report = Single(Line(number++, false));
  } while (report.verdict() == v1::BATCH_ACCEPTED && number < 100);
  // As soon as there are min_size together.
  EXPECT_EQ(number, 50);
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(report.reason(),
              HasSubstr("of the last 50 from there, this batch among them: "
                        "agreement with the serving PM: 0 of 50"));
  EXPECT_EQ(report.suspects().origin(), "import:argilla");
  EXPECT_THAT(report.suspects().comparison_ids(), SizeIs(49));
  EXPECT_THAT(BatchReportText(report),
              HasSubstr(absl::StrCat("rlhf feedback retract --suspects-of ",
                                     report.batch_id())));
  EXPECT_EQ(stored(), 49);
  // And so is what comes after it.
  EXPECT_EQ(Single(Line(100, false)).verdict(), v1::BATCH_QUARANTINED);
}

TEST_F(BatchDeskDripTest, HonestWorkIsNot) {
  // The PM is right of four in five.
  for (int i = 0; i < 250; ++i) {
    const v1::BatchReport report = Single(Line(i, i % 5 != 0));
    ASSERT_EQ(report.verdict(), v1::BATCH_ACCEPTED)
        << i << ": " << report.reason();
  }
  EXPECT_EQ(stored(), 250);
}

TEST_F(BatchDeskDripTest, SmallFilesOfAnyNameAreJudgedTogether) {
  for (int number = 0; number < 4; ++number) {
    ASSERT_EQ(File(number, false).verdict(), v1::BATCH_ACCEPTED) << number;
  }
  const v1::BatchReport report = File(4, false);
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_EQ(report.suspects().origin(), "import:");
  EXPECT_THAT(report.suspects().batch_ids(), SizeIs(4));
  EXPECT_THAT(BatchReportText(report),
              HasSubstr(report.suspects().batch_ids(0)));
  EXPECT_EQ(stored(), 40);
}

TEST_F(BatchDeskDripTest, OneToolDoesNotSpeakForAnother) {
  for (int i = 0; i < 49; ++i) Single(Line(i, false));
  for (int number = 10; number < 16; ++number) {
    EXPECT_EQ(File(number, true).verdict(), v1::BATCH_ACCEPTED) << number;
  }
}

TEST_F(BatchDeskDripTest, OnceTheSuspectsAreTakenBackHonestWorkComesInAgain) {
  for (int i = 0; i < 49; ++i) Single(Line(i, false));
  EXPECT_EQ(Single(Line(100, true)).verdict(), v1::BATCH_QUARANTINED);
  const v1::BatchReport report = Single(Line(101, true));
  ASSERT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done,
                       desk_->Retract(RetractSuspects(report)));
  EXPECT_EQ(done.num_retracted(), 49);
  EXPECT_EQ(Single(Line(102, true)).verdict(), v1::BATCH_ACCEPTED);
}

TEST_F(BatchDeskDripTest, WhoReleasesABatchEndsTheSuspicion) {
  for (int i = 0; i < 49; ++i) Single(Line(i, false));
  v1::DecideBatchRequest decision;
  decision.set_batch_id(Single(Line(49, false)).batch_id());
  decision.set_release(true);
  decision.set_by("ada");
  decision.set_reason("the PM is wrong here");
  ASSERT_OK(desk_->Decide(decision));
  for (int i = 50; i < 60; ++i) {
    EXPECT_EQ(Single(Line(i, false)).verdict(), v1::BATCH_ACCEPTED) << i;
  }
  // Also after a restart.
  MakeDesk({}, KnowsTheTruth);
  EXPECT_EQ(Single(Line(60, false)).verdict(), v1::BATCH_ACCEPTED);
}

TEST_F(BatchDeskDripTest, ARestartForgetsNothingThatTheLogTells) {
  for (int i = 0; i < 49; ++i) Single(LeftLine(i));
  MakeDesk({});
  const v1::BatchReport report = Single(LeftLine(49));
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(report.reason(),
              HasSubstr("answers for the left side: 50 of 50"));
  EXPECT_THAT(report.suspects().comparison_ids(), SizeIs(49));
}

TEST_F(BatchDeskDripTest, WhatABigBatchBroughtIsNotJudgedAgain) {
  std::string text;
  for (int i = 0; i < 60; ++i) absl::StrAppend(&text, Line(i, true));
  EXPECT_EQ(Taken({.text = text, .name = "big.jsonl"}).verdict(),
            v1::BATCH_ACCEPTED);
  EXPECT_THAT(File(10, true).reason(), HasSubstr("too few for shares"));
  MakeDesk({}, KnowsTheTruth);
  EXPECT_THAT(File(11, true).reason(), HasSubstr("too few for shares"));
}

TEST_F(BatchDeskDripTest, NorIsWhatABigBatchBroughtThatWasCutOff) {
  std::string text;
  for (int i = 0; i < 60; ++i) absl::StrAppend(&text, Line(i, true));
  const BatchDesk::File big = {.text = text, .name = "big.jsonl"};
  ImportCutOff(big);
  const v1::BatchReport report = Taken(big);
  EXPECT_EQ(report.reason(), "its comparisons were stored before");
  EXPECT_EQ(report.accepted(), 0);
  Reopen(1000);
  EXPECT_THAT(File(10, true).reason(), HasSubstr("too few for shares"));
}

TEST_F(BatchDeskDripTest, ASmallBatchThatWasCutOffIsJudgedWithThoseAfterIt) {
  const std::string text = LeftLines(0, 40);
  const BatchDesk::File small = {.text = text, .name = "f.jsonl"};
  ImportCutOff(small);
  // Before somebody hands it in again the next one comes.
  EXPECT_EQ(LeftFile(40, 5).verdict(), v1::BATCH_ACCEPTED);
  EXPECT_EQ(Taken(small).reason(), "its comparisons were stored before");
  const v1::BatchReport report = LeftFile(45, 5);
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
  EXPECT_THAT(report.reason(),
              HasSubstr("answers for the left side: 50 of 50"));
}

// What was cut off before is found by an older version's report too.
TEST_F(BatchDeskDripTest, AReportThatDoesNotSayItTellsTheSizeByItsCounts) {
  for (const bool is_small : {true, false}) {
    const int count = is_small ? 40 : 60;
    const int first = is_small ? 0 : 1000;
    const std::string id =
        Taken({.text = LeftLines(first, 40), .name = "f"}).batch_id();
    ASSERT_OK_AND_ASSIGN(StoredBatch batch, store_->GetBatch(id));
    ASSERT_OK_AND_ASSIGN(v1::BatchReport report, ReportOf(batch));
    report.clear_was_small();
    report.set_accepted(0);
    report.set_duplicates(count);
    batch.report = BatchReportJson(report);
    ASSERT_OK(store_->Retract({}, "an older version", "ada", {batch}));
    Reopen(1000);
    EXPECT_EQ(LeftFile(first + 40, 10).verdict(),
              is_small ? v1::BATCH_QUARANTINED : v1::BATCH_ACCEPTED);
    v1::RetractRequest request;
    request.set_batch_id(id);
    request.set_by("grace");
    request.set_reason("the next one");
    ASSERT_OK(desk_->Retract(request));
  }
}

}  // namespace
}  // namespace rlhf
