#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/preference_store.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_stores.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

StoredBatch MakeBatch(const std::string& id, BatchState state) {
  return {.batch_id = id,
          .source = "import:x.jsonl",
          .received_unix_ms = 1000,
          .state = state,
          .report = "{\"verdict\":\"waits\"}",
          .payload = "the comparisons"};
}

class StoreBatchesTest : public StoreTest {};

INSTANTIATE_TEST_SUITE_P(On, StoreBatchesTest,
                         ::testing::Values(Database::kSqlite,
                                           Database::kPostgres),
                         DatabaseName);

TEST_P(StoreBatchesTest, PayloadIsKeptWhileABatchWaits) {
  {
    const auto store = MustOpen();
    ASSERT_OK(store->AddBatch(MakeBatch("waits", BatchState::kQuarantined)));
    StoredBatch taken = MakeBatch("taken", BatchState::kAccepted);
    taken.received_unix_ms = 2000;
    ASSERT_OK(store->AddBatch(taken));
  }
  const auto store = MustOpen();
  ASSERT_OK_AND_ASSIGN(const StoredBatch waits, store->GetBatch("waits"));
  EXPECT_EQ(waits.payload, "the comparisons");
  EXPECT_EQ(waits.source, "import:x.jsonl");
  EXPECT_EQ(waits.report, "{\"verdict\":\"waits\"}");
  EXPECT_EQ(waits.state, BatchState::kQuarantined);
  EXPECT_EQ(store->GetBatch("taken")->payload, "");

  ASSERT_OK_AND_ASSIGN(const std::vector<StoredBatch> all,
                       store->ListBatches(10));
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].batch_id, "taken") << "the newest first";
  EXPECT_EQ(all[1].received_unix_ms, 1000);
  EXPECT_EQ(all[1].payload, "");
}

TEST_P(StoreBatchesTest, BatchesAreListedPieceByPiece) {
  const auto store = MustOpen();
  // Two of one time: by id.
  for (const auto& [id, time] : std::vector<std::pair<std::string, int64_t>>{
           {"d", 1000}, {"c", 2000}, {"b", 2000}, {"a", 500}}) {
    StoredBatch batch = MakeBatch(id, BatchState::kAccepted);
    batch.received_unix_ms = time;
    ASSERT_OK(store->AddBatch(batch));
  }
  std::string seen, before;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto page, store->ListBatches(1, before));
    if (page.empty()) break;
    ASSERT_THAT(page, SizeIs(1));
    before = page[0].batch_id;
    seen += before;
  }
  EXPECT_EQ(seen, "bcda");
  EXPECT_THAT(store->ListBatches(1, "e"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"e\"")));
}

TEST_P(StoreBatchesTest, AddingTheSameBatchAgainChangesNothing) {
  const auto store = MustOpen();
  const StoredBatch batch = MakeBatch("b", BatchState::kQuarantined);
  ASSERT_OK(store->AddBatch(batch));
  EXPECT_OK(store->AddBatch(batch));
  StoredBatch other = batch;
  other.payload = "others";
  EXPECT_THAT(store->AddBatch(other),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("\"b\"")));
  EXPECT_THAT(store->AddBatch({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("batch_id is empty")));
  EXPECT_THAT(*store->ListBatches(10), SizeIs(1));
}

TEST_P(StoreBatchesTest, QuarantineEndsOnceAndThePayloadGoes) {
  const auto store = MustOpen();
  ASSERT_OK(store->AddBatch(MakeBatch("b", BatchState::kQuarantined)));
  EXPECT_THAT(store->SetBatchState("b", BatchState::kAccepted, "looked at"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("QUARANTINED"), HasSubstr("ACCEPTED"))));
  ASSERT_OK(store->SetBatchState("b", BatchState::kReleased, "looked at"));
  EXPECT_OK(store->SetBatchState("b", BatchState::kReleased, "looked at"));
  EXPECT_EQ(store->GetBatch("b")->state, BatchState::kReleased);
  EXPECT_EQ(store->GetBatch("b")->payload, "");
  EXPECT_EQ(store->GetBatch("b")->report, "looked at");
  EXPECT_THAT(store->SetBatchState("b", BatchState::kRefused, "looked at"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("only a quarantined one")));
  EXPECT_THAT(store->SetBatchState("c", BatchState::kRefused, "looked at"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"c\"")));
  EXPECT_THAT(store->GetBatch("c"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"c\"")));
}

TEST_P(StoreBatchesTest, WhatEndedItsQuarantineLeavesNoTraceInTheFiles) {
  if (GetParam() != Database::kSqlite) GTEST_SKIP() << "its files are its own";
  const auto store = MustOpen();
  ASSERT_OK(store->AddBatch(MakeBatch("b", BatchState::kQuarantined)));
  ASSERT_OK(store->SetBatchState("b", BatchState::kRefused, "no"));
  for (const std::string& file : {path_, path_ + "-wal"}) {
    if (!FileExists(file)) continue;
    EXPECT_THAT(*ReadFile(file), Not(HasSubstr("the comparisons"))) << file;
  }
}

TEST_P(StoreBatchesTest, WhatTellsOfARetractedComparisonChangesWithIt) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("c")));
  ASSERT_OK(store->AddBatch(MakeBatch("waits", BatchState::kQuarantined)));
  ASSERT_OK(store->AddBatch(MakeBatch("taken", BatchState::kAccepted)));
  StoredBatch waits = MakeBatch("waits", BatchState::kQuarantined);
  waits.report = "fewer";
  waits.payload = "the other comparisons";
  StoredBatch taken = MakeBatch("taken", BatchState::kAccepted);
  taken.report = "nameless";
  ASSERT_OK(store->Retract({.comparison_ids = {"c"}}, "asked", "grace",
                           {waits, taken}));
  EXPECT_EQ(store->Find("c")->value().choice(), v1::RETRACTED);
  EXPECT_EQ(store->GetBatch("waits")->report, "fewer");
  EXPECT_EQ(store->GetBatch("waits")->payload, "the other comparisons");
  EXPECT_EQ(store->GetBatch("waits")->state, BatchState::kQuarantined);
  EXPECT_EQ(store->GetBatch("taken")->report, "nameless");
  EXPECT_EQ(store->GetBatch("taken")->payload, "") << "it does not wait";
  // Where all of it only waits.
  waits.state = BatchState::kRefused;
  ASSERT_OK(store->Retract({}, "asked", "grace", {waits}));
  EXPECT_EQ(store->GetBatch("waits")->state, BatchState::kRefused);
  EXPECT_EQ(store->GetBatch("waits")->payload, "");
  EXPECT_EQ(store->GetStats().num_retracted, 1) << "of c";
}

TEST_P(StoreBatchesTest, ABatchThatCannotChangeLeavesAllAsItWas) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("c")));
  ASSERT_OK(store->AddBatch(MakeBatch("b", BatchState::kQuarantined)));
  ASSERT_OK(store->SetBatchState("b", BatchState::kRefused, "no"));
  const PreferenceStore::Selection selection = {.comparison_ids = {"c"}};
  EXPECT_THAT(store->Retract(selection, "asked", "grace",
                             {MakeBatch("b", BatchState::kQuarantined)}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("\"b\" is REFUSED"),
                             HasSubstr("nothing changed"))));
  EXPECT_THAT(store->Retract(selection, "asked", "grace",
                             {MakeBatch("x", BatchState::kAccepted)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"x\"")));
  EXPECT_THAT(store->Retract({}, "asked", "grace"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("0 kinds of what to retract")));
  EXPECT_NE(store->Find("c")->value().choice(), v1::RETRACTED);
  EXPECT_EQ(store->GetBatch("b")->report, "no");
  EXPECT_EQ(store->GetBatch("b")->payload, "");
}

TEST_P(StoreBatchesTest, RetractedBatchThatWaitsIsRefused) {
  const auto store = MustOpen();
  ASSERT_OK(store->AddBatch(MakeBatch("b", BatchState::kQuarantined)));
  ASSERT_OK(store->Retract({.batch_id = "b"}, "not ours", "grace"));
  EXPECT_EQ(store->GetBatch("b")->state, BatchState::kRefused);
  EXPECT_EQ(store->GetBatch("b")->payload, "");
}

}  // namespace
}  // namespace rlhf
