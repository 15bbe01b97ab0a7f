// Retractions at the batch desk that are cut off, or that come while a batch is
// about to be judged.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/batch_desk.h"
#include "feedback/batch_desk_fixtures.h"
#include "feedback/import_export.h"
#include "feedback/test_cut_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

class BatchDeskRetractionTest : public BatchDeskFixture {
 protected:
  // Comparison `number` of the worker, who takes either side as often; with
  // personal data it waits.
  static std::string Line(int number, const std::string& worker, bool waits) {
    v1::Comparison comparison = FixtureComparison(
        number, worker, number % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
    if (waits) comparison.set_response_a("ask ada@example.org");
    return absl::StrCat(*ComparisonLine(comparison), "\n");
  }

  // 60 of them by two workers who are too fast: the report names both.
  static std::string Hasty() {
    std::string text;
    for (int i = 100; i < 160; ++i) {
      v1::Comparison one =
          FixtureComparison(i, i % 2 == 0 ? "bob" : "bobby", v1::A_BETTER);
      one.set_sides_known(false);
      one.set_worker_seconds(0.3);
      absl::StrAppend(&text, *ComparisonLine(one), "\n");
    }
    return text;
  }

  std::string Import(const std::string& text) {
    const auto report = desk_->Import({.text = text, .name = "f.jsonl"});
    EXPECT_OK(report);
    return report.ok() ? report->batch_id() : "";
  }

  absl::Status Retract(v1::RetractRequest request) {
    request.set_by("grace");
    request.set_reason("asked to");
    return desk_->Retract(request).status();
  }

  bool LogHas(const std::string& id) {
    const auto found = store_->Find(id);
    return (*found)->choice() != v1::RETRACTED;
  }
  bool Waits(const std::string& batch_id, const std::string& text) {
    return absl::StrContains(store_->GetBatch(batch_id)->payload, text);
  }
  bool IsNamed(const std::string& batch_id, const std::string& worker) {
    return absl::StrContains(store_->GetBatch(batch_id)->report,
                             absl::StrCat("\"", worker, "\""));
  }
};

// Kills after none, one, two and three of the store's changes: wherever that
// is, a worker is either everywhere or nowhere.
TEST_F(BatchDeskRetractionTest,
       CutOffAnywhereAWorkerIsTakenBackWholeOrNotAtAll) {
  Import(Line(0, "bob", false));
  const std::string waiting =
      Import(Line(1, "bob", true) + Line(2, "eve", true));
  const std::string hasty = Import(Hasty());
  ASSERT_TRUE(IsNamed(hasty, "bob"));
  v1::RetractRequest request;
  request.set_worker_id("bob");
  for (int num_commits = 0; num_commits < 4; ++num_commits) {
    const CutTable* const table = Reopen(num_commits);
    const absl::Status status = Retract(request);
    EXPECT_EQ(status.ok(), !table->is_cut()) << status;
    Reopen(1000);
    const bool is_there = LogHas("c0-bob");
    EXPECT_EQ(Waits(waiting, "c1-bob"), is_there) << num_commits;
    EXPECT_EQ(IsNamed(hasty, "bob"), is_there) << num_commits;
    EXPECT_EQ(Waits(hasty, "-bob\""), is_there) << num_commits;
  }
  EXPECT_FALSE(LogHas("c0-bob"));
  EXPECT_TRUE(Waits(waiting, "c2-eve"));
  EXPECT_TRUE(Waits(hasty, "-bobby"));
  EXPECT_TRUE(IsNamed(hasty, "bobby"));
  EXPECT_OK(store_->VerifyChain());
}

TEST_F(BatchDeskRetractionTest,
       CutOffAnywhereABatchThatWaitsIsRefusedByNameOrNotAtAll) {
  const std::string hasty = Import(Hasty());
  v1::RetractRequest request;
  request.set_batch_id(hasty);
  for (int num_commits = 0; num_commits < 3; ++num_commits) {
    Reopen(num_commits);
    Retract(request).IgnoreError();
    Reopen(1000);
    const bool waits =
        store_->GetBatch(hasty)->state == BatchState::kQuarantined;
    EXPECT_EQ(store_->RetractionOfBatch(hasty)->has_value(), !waits);
    EXPECT_EQ(IsNamed(hasty, "bobby"), waits);
    EXPECT_EQ(IsNamed(hasty, "grace"), !waits) << "who refused it";
  }
  EXPECT_EQ(store_->GetBatch(hasty)->state, BatchState::kRefused);
}

TEST_F(BatchDeskRetractionTest, WhoAndWhyAreOneLineEach) {
  const std::string id = Import(Line(0, "bob", false));
  v1::RetractRequest request;
  request.set_worker_id("bob");
  request.set_by("grace\nrita");
  request.set_reason("asked to");
  EXPECT_THAT(desk_->Retract(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"by\" holds U+000A")));
  request.set_by("grace");
  request.set_reason("a\x1b[1A");
  EXPECT_THAT(desk_->Retract(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"reason\" holds U+001B")));
  EXPECT_EQ(store_->GetStats().num_retracted, 0);
}

TEST_F(BatchDeskRetractionTest, WhatCouldNotBeErasedIsErasedLater) {
  Import(Line(0, "bob", true) + Line(1, "bob", true));
  CutTable* table = Reopen(1000);
  EXPECT_EQ(table->num_erased, 1) << "of a process that was killed";
  table->cannot_erase = true;
  v1::RetractRequest request;
  request.add_comparison_ids("c0-bob");
  EXPECT_EQ(Retract(request).code(), absl::StatusCode::kResourceExhausted);
  Import(Line(2, "eve", false));
  table->cannot_erase = false;
  EXPECT_OK(Retract(request)) << "it is acknowledged, and erased";
  EXPECT_EQ(table->num_erased, 2);

  table->cannot_erase = true;
  request.set_comparison_ids(0, "c1-bob");
  EXPECT_EQ(Retract(request).code(), absl::StatusCode::kResourceExhausted);
  table->cannot_erase = false;
  Import(Line(3, "eve", false));
  EXPECT_EQ(table->num_erased, 3) << "with the next change";
  Import(Line(4, "eve", false));
  EXPECT_EQ(table->num_erased, 3) << "once";
}

TEST_F(BatchDeskRetractionTest, CutOffAnywhereComparisonsGoTogether) {
  Import(Line(0, "bob", false));
  const std::string waiting =
      Import(Line(1, "bob", true) + Line(2, "eve", true));
  v1::RetractRequest request;
  request.add_comparison_ids("c0-bob");
  request.add_comparison_ids("c1-bob");
  for (int num_commits = 0; num_commits < 2; ++num_commits) {
    Reopen(num_commits);
    Retract(request).IgnoreError();
    Reopen(1000);
    EXPECT_EQ(Waits(waiting, "c1-bob"), LogHas("c0-bob")) << num_commits;
  }
  EXPECT_FALSE(LogHas("c0-bob"));
}

TEST_F(BatchDeskRetractionTest, WhatACutOffBatchLostIsCountedOnce) {
  const std::string text = Line(0, "bob", false) + Line(1, "eve", false);
  Reopen(/*num_commits=*/1);
  EXPECT_FALSE(desk_->Import({.text = text, .name = "f.jsonl"}).ok())
      << "stored, and cut off before its report";
  Reopen(1000);
  v1::RetractRequest request;
  request.add_comparison_ids("c0-bob");
  ASSERT_OK(Retract(request));
  ASSERT_OK_AND_ASSIGN(const v1::BatchReport report,
                       desk_->Import({.text = text, .name = "f.jsonl"}));
  EXPECT_EQ(report.num_retracted(), 1);
  EXPECT_EQ(desk_->Get(report.batch_id())->num_retracted(), 1);
}

// What 120 people of good will say; the same under other ids in each file.
std::string Honest(const std::string& file) {
  std::string lines;
  for (int i = 0; i < 120; ++i) {
    v1::Comparison one = FixtureComparison(
        i, absl::StrCat("w", i % 7), i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
    one.set_shown_swapped((i / 2) % 2 == 1);
    one.set_comparison_id(absl::StrCat(file, "-", i));
    absl::StrAppend(&lines, *ComparisonLine(one), "\n");
  }
  return lines;
}

TEST_F(BatchDeskRetractionTest, WhatWasTakenBackIsNoDuplicateAnyMore) {
  const std::string id = Import(Honest("first"));
  ASSERT_TRUE(LogHas("first-0"));
  const std::string again = Honest("again");
  const BatchDesk::File file = {
      .text = again, .name = "again.jsonl", .dry_run = true};
  ASSERT_OK_AND_ASSIGN(v1::BatchReport report, desk_->Import(file));
  EXPECT_EQ(report.verdict(), v1::BATCH_QUARANTINED) << report.reason();
  v1::RetractRequest request;
  request.set_batch_id(id);
  ASSERT_OK(Retract(request));
  ASSERT_OK_AND_ASSIGN(report, desk_->Import(file));
  EXPECT_EQ(report.verdict(), v1::BATCH_ACCEPTED) << report.reason();
}

// A long log takes seconds.
TEST_F(BatchDeskRetractionTest, WhileTheLogIsHashedOthersAreServed) {
  Import(Honest("first"));
  CutTable* const table = Reopen(1000);
  bool is_asked = false;
  std::future<absl::StatusOr<v1::BatchReport>> decision;
  table->on_read = [&] {
    if (std::exchange(is_asked, true)) return;
    // Refused before anything is read, but it wants the desk.
    auto nameless =
        std::async(std::launch::async, [&] { return desk_->Decide({}); });
    EXPECT_EQ(nameless.wait_for(std::chrono::seconds(20)),
              std::future_status::ready);
    // Not waited for here: who reads has the store.
    decision = std::move(nameless);
  };
  Import(Line(500, "eve", false));
  EXPECT_TRUE(is_asked);
}

// Each retraction makes the desk forget what it has hashed, so that an import
// beside it begins anew.
TEST_F(BatchDeskRetractionTest, ImportsBesideRetractionsLoseNothing) {
  constexpr int kFiles = 60;
  const auto id = [](int i) { return absl::StrCat("c", i, "-eve"); };
  for (int i = 0; i < kFiles; ++i) Import(Line(i, "eve", false));
  std::future<void> imports = std::async(std::launch::async, [&] {
    for (int i = kFiles; i < 2 * kFiles; ++i) Import(Line(i, "eve", false));
  });
  for (int i = 0; i < kFiles; ++i) {
    v1::RetractRequest request;
    request.add_comparison_ids(id(i));
    EXPECT_OK(Retract(request)) << i;
  }
  imports.get();
  for (int i = 0; i < 2 * kFiles; ++i) EXPECT_EQ(LogHas(id(i)), i >= kFiles);
  EXPECT_OK(store_->VerifyChain());
}

}  // namespace
}  // namespace rlhf
