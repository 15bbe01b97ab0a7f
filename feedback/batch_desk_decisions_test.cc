#include <memory>
#include <string>
#include <vector>

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

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BatchDecisionsTest : public BatchDeskFixture {
 protected:
  v1::BatchReport Import(const std::string& text) {
    const auto report = desk_->Import({.text = text, .name = "f.jsonl"});
    EXPECT_OK(report);
    return report.ok() ? *report : v1::BatchReport();
  }

  // A line of our own form; with personal data, so that it waits.
  std::string Line(int number, const std::string& worker, bool waits) {
    v1::Comparison comparison = FixtureComparison(number, worker, v1::A_BETTER);
    if (waits) comparison.set_response_a("ask ada@example.org");
    return absl::StrCat(*ComparisonLine(comparison), "\n");
  }

  // The id of a batch that waits, as both of its workers are too fast.
  std::string ImportHasty(int first = 0) {
    std::string text;
    for (int i = first; i < first + 60; ++i) {
      v1::Comparison one =
          FixtureComparison(i, i % 2 == 0 ? "bob" : "bobby", v1::A_BETTER);
      one.set_sides_known(false);
      one.set_worker_seconds(0.3);
      absl::StrAppend(&text, *ComparisonLine(one), "\n");
    }
    const v1::BatchReport report = Import(text);
    EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED);
    EXPECT_THAT(KeptReport(report.batch_id()), HasSubstr("\"bobby\""));
    return report.batch_id();
  }

  std::string KeptReport(const std::string& id) {
    return store_->GetBatch(id)->report;
  }

  v1::DecideBatchRequest Decision(const std::string& id, bool release) {
    v1::DecideBatchRequest request;
    request.set_batch_id(id);
    request.set_release(release);
    request.set_by("ada");
    request.set_reason("looked");
    return request;
  }

  v1::RetractRequest Retraction() {
    v1::RetractRequest request;
    request.set_by("grace");
    request.set_reason("careless");
    return request;
  }
};

TEST_F(BatchDecisionsTest, AReleasedBatchIsStoredWhole) {
  const std::string id = Import(kMail).batch_id();
  EXPECT_EQ(stored(), 0);
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                       desk_->Decide(Decision(id, true)));
  EXPECT_EQ(report.accepted(), 1);
  EXPECT_EQ(report.decision().by(), "ada");
  EXPECT_EQ(report.decision().unix_ms() - report.received_unix_ms(), 5000);
  ASSERT_EQ(stored(), 1);
  const v1::Comparison comparison = store_->Read(1, 1)->at(0);
  EXPECT_EQ(comparison.batch_id(), id);
  EXPECT_EQ(comparison.source(), "import:f.jsonl");
  EXPECT_EQ(comparison.response_a(), "ada@example.org");
  EXPECT_EQ(store_->GetBatch(id)->payload, "");
  EXPECT_THAT(desk_->Decide(Decision(id, false)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is released, not in quarantine")));
}

TEST_F(BatchDecisionsTest, ARefusedBatchKeepsItsReportAlone) {
  const std::string id = Import(kMail).batch_id();
  ASSERT_OK(desk_->Decide(Decision(id, false)));
  EXPECT_EQ(stored(), 0);
  EXPECT_EQ(store_->GetBatch(id)->payload, "");
  const v1::BatchReport again = Import(kMail);
  EXPECT_TRUE(again.seen_before());
  EXPECT_EQ(again.decision().reason(), "looked");
  EXPECT_EQ(stored(), 0);
}

TEST_F(BatchDecisionsTest, ADecisionNeedsANameAReasonAndABatch) {
  EXPECT_THAT(
      desk_->Decide(Decision("b-0", true)),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no batch \"b-0\"")));
  v1::DecideBatchRequest nameless = Decision("b-0", true);
  nameless.clear_by();
  EXPECT_THAT(desk_->Decide(nameless),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a name and a reason")));
}

TEST_F(BatchDecisionsTest, ARetractedWorkerDoesNotComeBackByARelease) {
  Import(Line(0, "bob", false));
  const std::string id =
      Import(Line(1, "bob", true) + Line(2, "eve", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_retracted(), 1);
  EXPECT_EQ(done.num_waiting(), 1);
  EXPECT_THAT(store_->GetBatch(id)->payload,
              AllOf(HasSubstr("c2-eve"), Not(HasSubstr("bob"))));
  EXPECT_THAT(BatchReportText(*desk_->Get(id)),
              HasSubstr("1 of its comparisons was taken back"));

  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                       desk_->Decide(Decision(id, true)));
  EXPECT_EQ(report.accepted(), 1);
  EXPECT_EQ(stored(), 2);
  EXPECT_EQ(store_->Read(2, 2)->at(0).worker_id(), "eve");
  EXPECT_EQ(store_->GetStats().num_by_worker.count("bob"), 0u);
}

TEST_F(BatchDecisionsTest, ABatchThatNobodyKnowsIsNotRetracted) {
  Import(Line(0, "bob", false));
  v1::RetractRequest request = Retraction();
  request.set_batch_id("b-0");
  EXPECT_THAT(desk_->Retract(request), StatusIs(absl::StatusCode::kNotFound,
                                                HasSubstr("no batch \"b-0\"")));
}

TEST_F(BatchDecisionsTest, AWorkerWhomNobodyKnowsIsNotRetracted) {
  Import(Line(0, "bob", false));
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bobby");
  EXPECT_THAT(desk_->Retract(request),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"bobby\"")));
  // And may speak for the first time later.
  EXPECT_EQ(Import(Line(1, "bobby", false)).accepted(), 1);
}

TEST_F(BatchDecisionsTest, ARetractedWorkersNameLeavesTheReports) {
  const std::string id = ImportHasty();
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(KeptReport(id),
              AllOf(HasSubstr("\"bobby\""), Not(HasSubstr("\"bob\""))));
}

TEST_F(BatchDecisionsTest, WhatARetractedWorkerHasInHandIsForgotten) {
  std::vector<std::string> forgotten;
  MakeDesk({.forget_worker = [&](const std::string& worker_id) {
    EXPECT_TRUE(store_->IsRetractedWorker(worker_id)) << "durable before";
    forgotten.push_back(worker_id);
    return absl::OkStatus();
  }});
  Import(Line(0, "bob", false) + Line(1, "eve", false));
  v1::RetractRequest request = Retraction();
  request.add_comparison_ids("c1-eve");
  ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(forgotten, ::testing::IsEmpty()) << "eve works on";
  request.clear_comparison_ids();
  request.set_worker_id("bob");
  ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(forgotten, ::testing::ElementsAre("bob"));
}

TEST_F(BatchDecisionsTest, WhatGoesOnFromARetractedAnswerIsForgotten) {
  std::vector<std::string> forgotten;
  MakeDesk({.forget_answers = [&](const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      EXPECT_EQ((*store_->Find(id))->choice(), v1::RETRACTED)
          << "durable before";
      forgotten.push_back(id);
    }
    return absl::OkStatus();
  }});
  Import(Line(0, "bob", false) + Line(1, "eve", false));
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(forgotten, ::testing::IsEmpty());
  request.clear_worker_id();
  request.add_comparison_ids("c1-eve");
  // Asked again, which happens when it was cut off.
  for (int i = 0; i < 2; ++i) ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(forgotten, ::testing::ElementsAre("c1-eve", "c1-eve"));
}

TEST_F(BatchDecisionsTest, AllNamesLeaveTheReportOfARetractedBatch) {
  const std::string released = ImportHasty();
  ASSERT_OK(desk_->Decide(Decision(released, true)));
  const std::string waiting = ImportHasty(/*first=*/1000);
  for (const std::string& id : {released, waiting}) {
    v1::RetractRequest request = Retraction();
    request.set_batch_id(id);
    ASSERT_OK(desk_->Retract(request));
    EXPECT_THAT(KeptReport(id), Not(HasSubstr("bob")));
  }
}

TEST_F(BatchDecisionsTest, ARetractedComparisonDoesNotComeBackByARelease) {
  Import(Line(0, "bob", false));
  // It waits too, in another file, before it is retracted, and after.
  const std::string before =
      Import(Line(0, "bob", false) + Line(1, "eve", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.add_comparison_ids("c0-bob");
  ASSERT_OK(desk_->Retract(request));
  const std::string after =
      Import(Line(0, "bob", false) + Line(2, "eve", true)).batch_id();
  for (const std::string& id : {before, after}) {
    ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                         desk_->Decide(Decision(id, true)));
    EXPECT_EQ(report.accepted(), 1);
    EXPECT_EQ(report.duplicates(), 0);
    EXPECT_EQ(report.num_retracted(), 1);
  }
  EXPECT_EQ(store_->Read(1, 1)->at(0).choice(), v1::RETRACTED);
  EXPECT_EQ(stored(), 3);
}

TEST_F(BatchDecisionsTest, AComparisonThatOnlyWaitsIsTakenBackById) {
  const std::string id =
      Import(Line(1, "bob", true) + Line(2, "eve", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.add_comparison_ids("c1-bob");
  request.add_comparison_ids("c9-bob");
  EXPECT_THAT(desk_->Retract(request),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"c9-bob\"")));
  EXPECT_THAT(store_->GetBatch(id)->payload, HasSubstr("c1-bob"))
      << "nothing changed";
  request.mutable_comparison_ids()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_retracted(), 0);
  EXPECT_EQ(done.num_waiting(), 1);
  EXPECT_THAT(store_->GetBatch(id)->payload,
              AllOf(HasSubstr("c2-eve"), Not(HasSubstr("bob"))));
}

TEST_F(BatchDecisionsTest, WhatWasTakenBackWhileItWaitedDoesNotComeInAgain) {
  Import(Line(1, "bob", true) + Line(2, "eve", true));
  v1::RetractRequest request = Retraction();
  request.add_comparison_ids("c1-bob");
  ASSERT_OK(desk_->Retract(request));
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse again,
                       desk_->Retract(request));
  EXPECT_EQ(again.num_retracted_before(), 1);

  Reopen(1000);
  const v1::BatchReport other =
      Import(Line(1, "bob", false) + Line(3, "eve", false));
  EXPECT_EQ(other.accepted(), 1);
  EXPECT_EQ(other.num_retracted(), 1);
  EXPECT_FALSE(store_->Find("c1-bob")->has_value());
  ASSERT_OK_AND_ASSIGN(const auto records, store_->ReadRetractions(1, 9));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].who(), "grace");
  EXPECT_EQ(records[0].reason(), "careless");
  EXPECT_LT(records[0].seq(), 0);
  EXPECT_OK(store_->VerifyChain());
}

TEST_F(BatchDecisionsTest, WhatARetractedBatchHeldDoesNotComeByAnotherOne) {
  const std::string id =
      Import(Line(1, "bob", true) + Line(2, "eve", true)).batch_id();
  const std::string other =
      Import(Line(2, "eve", true) + Line(3, "eve", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_batch_id(id);
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_waiting(), 2);
  EXPECT_EQ(store_->RetractionOfBatch(id)->value().who(), "grace");
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport released,
                       desk_->Decide(Decision(other, true)));
  EXPECT_EQ(released.accepted(), 1);
  EXPECT_EQ(released.num_retracted(), 1);
  EXPECT_FALSE(store_->Find("c2-eve")->has_value());
}

// It came in by one file and waits in another, which is taken back.
TEST_F(BatchDecisionsTest, WhatIsInTheLogStaysThereWhenABatchIsRetracted) {
  Import(Line(2, "eve", false));
  const std::string id =
      Import(Line(1, "bob", true) + Line(2, "eve", false)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_batch_id(id);
  ASSERT_OK(desk_->Retract(request));
  EXPECT_FALSE(store_->IsRetractedComparison("c2-eve"));
  EXPECT_TRUE(store_->IsRetractedComparison("c1-bob"));
  EXPECT_EQ(store_->Read(1, 1)->at(0).worker_id(), "eve");
}

TEST_F(BatchDecisionsTest, ABatchOfWhichNothingIsLeftCanBeReleased) {
  const std::string id = Import(Line(1, "bob", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK(desk_->Retract(request));
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                       desk_->Decide(Decision(id, true)));
  EXPECT_EQ(report.accepted(), 0);
  EXPECT_EQ(stored(), 0);
}

TEST_F(BatchDecisionsTest, ARetractedBatchThatWaitsIsRefusedByName) {
  const std::string id = Import(kMail).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_batch_id(id);
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_waiting(), 1);
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report, desk_->Get(id));
  EXPECT_EQ(StateOf(report), BatchState::kRefused);
  EXPECT_EQ(BatchStateWord(report), "retracted");
  EXPECT_EQ(report.decision().by(), "grace");
  EXPECT_EQ(store_->GetBatch(id)->payload, "");
}

TEST_F(BatchDecisionsTest, AnAcceptedBatchIsTakenBackOutOfTheLog) {
  const std::string id = Import(Line(0, "bob", false)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_batch_id(id);
  ASSERT_OK_AND_ASSIGN(v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_retracted(), 1);
  ASSERT_OK_AND_ASSIGN(done, desk_->Retract(request));
  EXPECT_EQ(done.num_retracted(), 0);
  EXPECT_EQ(done.num_retracted_before(), 1);
}

TEST_F(BatchDecisionsTest, ARetractedWorkerDoesNotComeBackInALaterBatch) {
  Import(Line(0, "bob", false));
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK(desk_->Retract(request));

  const v1::BatchReport mixed =
      Import(Line(1, "bob", false) + Line(2, "eve", false));
  EXPECT_EQ(mixed.verdict(), v1::BATCH_ACCEPTED) << mixed.reason();
  EXPECT_EQ(mixed.accepted(), 1);
  EXPECT_EQ(mixed.num_of_retracted_workers(), 1);
  EXPECT_THAT(BatchReportText(mixed),
              HasSubstr("1 left out: worker retracted"));
  ASSERT_EQ(stored(), 2);
  EXPECT_EQ(store_->Read(2, 2)->at(0).worker_id(), "eve");

  const v1::BatchReport alone = Import(Line(3, "bob", false));
  EXPECT_EQ(alone.verdict(), v1::BATCH_REFUSED);
  EXPECT_THAT(alone.reason(), HasSubstr("worker retracted"));
  EXPECT_EQ(stored(), 2);
}

TEST_F(BatchDecisionsTest, AWorkerOfWhomTheLogHasNothingIsRetractedToo) {
  const std::string id =
      Import(Line(0, "bob", true) + Line(1, "eve", true)).batch_id();
  v1::RetractRequest request = Retraction();
  request.set_worker_id("bob");
  ASSERT_OK_AND_ASSIGN(const v1::RetractResponse done, desk_->Retract(request));
  EXPECT_EQ(done.num_waiting(), 1);
  EXPECT_EQ(Import(Line(2, "bob", false)).verdict(), v1::BATCH_REFUSED);
  // As an older version of rlhf left it that was cut off before it came to the
  // batches that wait.
  ASSERT_OK_AND_ASSIGN(StoredBatch batch, store_->GetBatch(id));
  batch.payload = Line(0, "bob", true) + Line(1, "eve", true);
  ASSERT_OK(store_->Retract({}, "careless", "grace", {batch}));
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                       desk_->Decide(Decision(id, true)));
  EXPECT_EQ(report.accepted(), 1);
  EXPECT_EQ(report.num_of_retracted_workers(), 1);
  EXPECT_EQ(store_->Read(1, 1)->at(0).worker_id(), "eve");
}

TEST_F(BatchDecisionsTest, NobodysComparisonsAreNoWorkersToRetract) {
  Import(kPair);  // its worker is "import:f.jsonl"
  v1::RetractRequest request = Retraction();
  request.set_worker_id("import:f.jsonl");
  ASSERT_OK(desk_->Retract(request));
  EXPECT_EQ(Import(R"({"prompt": "3+3?", "chosen": "6", "rejected": "5"})")
                .accepted(),
            1);
}

TEST_F(BatchDecisionsTest, ARetractedBatchThatComesAgainIsRefused) {
  for (const bool waits : {false, true}) {
    const std::string text = Line(waits ? 1 : 0, "eve", waits);
    v1::RetractRequest request = Retraction();
    request.set_batch_id(Import(text).batch_id());
    ASSERT_OK(desk_->Retract(request));
    const int64_t num_stored = stored();
    const v1::BatchReport again = Import(text);
    EXPECT_EQ(again.verdict(), v1::BATCH_REFUSED);
    EXPECT_EQ(again.reason(), "the batch was retracted by grace: careless");
    EXPECT_TRUE(again.seen_before());
    EXPECT_EQ(again.accepted(), 0);
    EXPECT_EQ(stored(), num_stored);
    EXPECT_EQ(again.retraction().unix_ms(), absl::ToUnixMillis(clock_.Now()));
    EXPECT_THAT(BatchReportText(*desk_->Get(again.batch_id())),
                HasSubstr("retracted by grace: careless"));
    EXPECT_EQ(BatchStateWord(desk_->List({})->batches(0)), "retracted");
  }
}

TEST_F(BatchDecisionsTest, ABatchTellsWhatOfItWasTakenBackLater) {
  const std::string first =
      Import(Line(0, "bob", false) + Line(1, "eve", false)).batch_id();
  const std::string second =
      Import(Line(2, "eve", false) + Line(3, "bob", false)).batch_id();
  EXPECT_EQ(desk_->Get(first)->num_retracted(), 0);
  v1::RetractRequest request = Retraction();
  request.set_worker_id("eve");
  ASSERT_OK(desk_->Retract(request));
  request = Retraction();
  request.set_batch_id(second);
  ASSERT_OK(desk_->Retract(request));
  EXPECT_THAT(BatchReportText(*desk_->Get(first)),
              HasSubstr("1 of its comparisons was taken back"));
  EXPECT_EQ(desk_->Get(second)->num_retracted(), 2);
  ASSERT_OK_AND_ASSIGN(const v1::BatchList list, desk_->List({}));
  ASSERT_EQ(list.batches_size(), 2);
  EXPECT_EQ(list.batches(0).num_retracted() + list.batches(1).num_retracted(),
            3);
}

TEST_F(BatchDecisionsTest, ARetractionOfTwoKindsOrWithoutANameChangesNothing) {
  const std::string id = Import(kMail).batch_id();
  v1::RetractRequest both = Retraction();
  both.set_batch_id(id);
  both.set_worker_id("bob");
  v1::RetractRequest nameless = Retraction();
  nameless.set_batch_id(id);
  nameless.clear_by();
  for (const v1::RetractRequest& request : {both, nameless}) {
    EXPECT_THAT(desk_->Retract(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
  }
  EXPECT_EQ(store_->GetBatch(id)->state, BatchState::kQuarantined);
}

}  // namespace
}  // namespace rlhf
