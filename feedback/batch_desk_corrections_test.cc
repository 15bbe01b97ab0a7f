// Answers that people change in their labelling tool.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "feedback/batch_desk.h"
#include "feedback/batch_desk_fixtures.h"
#include "feedback/webhook_payloads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr char kAUser[] = R"("u1")";

// Exports and events of one record. `better` is the number of an answer.
std::string ArgillaFile(int better, const std::string& user = kAUser) {
  return absl::StrCat(
      R"([{"id": "rec-1", "fields": {"prompt": "Name a prime.", )",
      R"("response_1": "Four.", "response_2": "Five."}, "responses": )",
      R"({"preference": [{"value": "response_)", better, R"(", "user_id": )",
      user, "}]}}]");
}
std::string ArgillaEvent(int better, int second) {
  return absl::StrCat(
      R"({"type": "response.updated", "timestamp": "2023-11-01T10:00:0)",
      second, R"(Z", "data": {"values": {"preference": {"value": "response_)",
      better, R"("}}, "status": "submitted", "record": {"id": "uuid", )",
      R"("external_id": "rec-1", "fields": {"prompt": "Name a prime.", )",
      R"("response_1": "Four.", "response_2": "Five."}}, )",
      R"("user": {"id": "u1"}}})");
}
std::string LabelStudioAnnotation(int better, int second) {
  return absl::StrCat(
      R"({"id": 7, "completed_by": 3, "result": [{"type": "pairwise", )",
      R"("from_name": "c", "to_name": "c", "value": {"selected": ")",
      better == 1 ? "left" : "right",
      R"("}}], "updated_at": "2023-11-01T10:00:0)", second, R"(Z"})");
}
constexpr char kLabelStudioTask[] =
    R"("id": 1, "data": {"prompt": "q", "answer1": "x", "answer2": "y"})";
std::string LabelStudioFile(int better, int second) {
  return absl::StrCat("[{", kLabelStudioTask, R"(, "annotations": [)",
                      LabelStudioAnnotation(better, second), "]}]");
}
std::string LabelStudioEvent(int better, int second) {
  return absl::StrCat(R"({"action": "ANNOTATION_UPDATED", "annotation": )",
                      LabelStudioAnnotation(better, second), R"(, "task": {)",
                      kLabelStudioTask, "}}");
}

class BatchDeskCorrectionsTest : public BatchDeskFixture {
 protected:
  v1::BatchReport File(const std::string& text) {
    return Taken(desk_->Import({.text = text, .name = "export.json"}));
  }
  v1::BatchReport Event(const absl::StatusOr<WebhookRecord>& record,
                        const std::string& tool) {
    EXPECT_OK(record);
    return Taken(
        desk_->Import({.text = *record->line, .name = tool, .single = true}));
  }
  v1::BatchReport Argilla(int better, int second) {
    return Event(ReadArgillaEvent(ArgillaEvent(better, second)), "argilla");
  }
  v1::BatchReport LabelStudio(int better, int second) {
    return Event(ReadLabelStudioEvent(LabelStudioEvent(better, second)),
                 "label-studio");
  }
  v1::BatchReport Taken(const absl::StatusOr<v1::BatchReport>& report) {
    EXPECT_OK(report);
    if (!report.ok()) return {};
    EXPECT_EQ(report->verdict(), v1::BATCH_ACCEPTED) << report->reason();
    return *report;
  }

  void Restart() {
    desk_.reset();
    store_.reset();
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    ASSERT_OK(store);
    store_ = *std::move(store);
    MakeDesk({});
  }

  // The choices that stand.
  std::vector<v1::Choice> Standing() {
    std::vector<v1::Choice> choices;
    const auto rows = store_->Read(1, 1000);
    for (const v1::Comparison& row : *rows) {
      if (row.choice() != v1::RETRACTED) choices.push_back(row.choice());
    }
    EXPECT_EQ(store_->GetStats().num_decided,
              static_cast<int64_t>(choices.size()));
    EXPECT_OK(store_->VerifyChain());
    return choices;
  }
};

TEST_F(BatchDeskCorrectionsTest, AnExportWithANewAnswerReplacesTheOld) {
  File(ArgillaFile(1));
  EXPECT_EQ(File(ArgillaFile(2)).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::B_BETTER));
  // Changed back, in another file.
  EXPECT_EQ(File(ArgillaFile(1) + "\n").num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER));
  EXPECT_EQ(store_->GetStats().num_replaced, 2);
}

// By it lineage tells whose the old answer was; it leaves nobody out.
TEST_F(BatchDeskCorrectionsTest, TheRecordKeepsWhoseAnswerWasReplaced) {
  File(ArgillaFile(1));
  const std::string worker = store_->Read(1, 1)->at(0).worker_id();
  File(ArgillaFile(2));
  ASSERT_OK_AND_ASSIGN(const auto records, store_->ReadRetractions(1, 1));
  EXPECT_EQ(records.at(0).replaced_worker_digest(), Sha256Hex(worker));
  EXPECT_EQ(records.at(0).worker_digest(), "");
  EXPECT_FALSE(store_->IsRetractedWorker(worker));
}

TEST_F(BatchDeskCorrectionsTest, SoDoesOneOfLabelStudio) {
  File(LabelStudioFile(1, 1));
  EXPECT_EQ(File(LabelStudioFile(2, 2)).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::B_BETTER));
  EXPECT_EQ(File(LabelStudioFile(1, 3)).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER));
}

TEST_F(BatchDeskCorrectionsTest, AWebhookReplacesWhatTheLastOneBrought) {
  Argilla(1, 1);
  EXPECT_EQ(Argilla(2, 2).num_replaced(), 1);
  EXPECT_EQ(Argilla(1, 3).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER));
  LabelStudio(1, 1);
  EXPECT_EQ(LabelStudio(2, 2).num_replaced(), 1);
  EXPECT_EQ(LabelStudio(1, 3).num_replaced(), 1);
  EXPECT_EQ(LabelStudio(2, 4).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER, v1::B_BETTER));
}

TEST_F(BatchDeskCorrectionsTest, FileAndWebhookSpeakOfTheSame) {
  Argilla(1, 1);
  EXPECT_EQ(File(ArgillaFile(1)).duplicates(), 1);
  EXPECT_EQ(File(ArgillaFile(2)).num_replaced(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::B_BETTER));
}

TEST_F(BatchDeskCorrectionsTest, UnchangedItIsStoredOnce) {
  Argilla(1, 1);
  LabelStudio(1, 1);
  const v1::BatchReport again = Argilla(1, 2);
  EXPECT_EQ(again.accepted(), 0);
  EXPECT_EQ(again.duplicates(), 1);
  EXPECT_EQ(LabelStudio(1, 2).duplicates(), 1);
  Argilla(2, 3);
  Argilla(1, 4);
  EXPECT_EQ(Argilla(1, 5).duplicates(), 1) << "changed back before";
  EXPECT_EQ(stored(), 4);
  EXPECT_THAT(Standing(), SizeIs(2));
}

TEST_F(BatchDeskCorrectionsTest, WhatComesLateDoesNotReplaceTheNewer) {
  LabelStudio(2, 5);
  const v1::BatchReport late = LabelStudio(1, 4);
  EXPECT_EQ(late.num_outdated(), 1);
  EXPECT_EQ(late.accepted(), 0);
  EXPECT_THAT(Standing(), ElementsAre(v1::B_BETTER));
}

TEST_F(BatchDeskCorrectionsTest, ARestartKnowsWhatToReplace) {
  Argilla(1, 1);
  LabelStudio(1, 1);
  Restart();
  EXPECT_EQ(Argilla(2, 2).num_replaced(), 1);
  Restart();
  EXPECT_EQ(Argilla(1, 3).num_replaced(), 1);
  EXPECT_EQ(LabelStudio(2, 2).num_replaced(), 1);
  Restart();
  EXPECT_EQ(Argilla(1, 4).duplicates(), 1);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER, v1::B_BETTER));
}

TEST_F(BatchDeskCorrectionsTest, WithoutAPersonBothStand) {
  File(ArgillaFile(1, "null"));
  EXPECT_EQ(File(ArgillaFile(2, "null")).num_replaced(), 0);
  EXPECT_THAT(Standing(), ElementsAre(v1::A_BETTER, v1::B_BETTER));
  File(ArgillaFile(1, R"("u2")"));
  EXPECT_EQ(File(ArgillaFile(2, R"("u3")")).num_replaced(), 0);
  EXPECT_THAT(Standing(), SizeIs(4));
}

// What waits is judged as of when it came.
TEST_F(BatchDeskCorrectionsTest, AReleaseDoesNotBringBackTheOlder) {
  std::string mail = LabelStudioEvent(1, 1);
  mail.replace(mail.find("\"x\""), 3, "\"ada@example.org\"");
  const auto record = ReadLabelStudioEvent(mail);
  ASSERT_OK(record);
  ASSERT_OK_AND_ASSIGN(
      const v1::BatchReport waiting,
      desk_->Import(
          {.text = *record->line, .name = "label-studio", .single = true}));
  ASSERT_EQ(waiting.verdict(), v1::BATCH_QUARANTINED);
  std::string later = LabelStudioEvent(2, 2);
  later.replace(later.find("\"x\""), 3, "\"ada@example.org\"");
  ASSERT_OK_AND_ASSIGN(
      const v1::BatchReport newer,
      desk_->Import({.text = *ReadLabelStudioEvent(later)->line,
                     .name = "label-studio",
                     .single = true}));
  ASSERT_EQ(newer.verdict(), v1::BATCH_QUARANTINED);
  for (const std::string& id : {newer.batch_id(), waiting.batch_id()}) {
    v1::DecideBatchRequest decision;
    decision.set_batch_id(id);
    decision.set_release(true);
    decision.set_by("ada");
    decision.set_reason("looked");
    ASSERT_OK(desk_->Decide(decision));
  }
  EXPECT_THAT(Standing(), ElementsAre(v1::B_BETTER));
}

}  // namespace
}  // namespace rlhf
