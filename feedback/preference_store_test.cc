#include "feedback/preference_store.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "feedback/comparison_chain.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_stores.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class PreferenceStoreTest : public StoreTest {
 protected:
  // Changes a row behind the store's back.
  void ReplaceBytes(int64_t seq, const v1::Comparison& comparison) {
    ASSERT_OK_AND_ASSIGN(const auto table, OpenTable());
    ASSERT_OK_AND_ASSIGN(const LogStats stats, VerifyLog(*table, nullptr));
    ASSERT_OK(table->Commit(
        {.base = stats.position(),
         .replaced = {{.seq = seq, .bytes = comparison.SerializeAsString()}}}));
  }
  v1::Comparison MustRead(int64_t seq) {
    const auto store = MustOpen();
    return store->Read(seq, seq)->at(0);
  }
  void Fill(int num_comparisons) {
    const auto store = MustOpen();
    for (int i = 1; i <= num_comparisons; ++i) {
      ASSERT_OK(store->Append(MakeComparison(absl::StrCat("c", i))));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, PreferenceStoreTest,
                         ::testing::Values(Database::kSqlite,
                                           Database::kPostgres),
                         DatabaseName);

TEST_P(PreferenceStoreTest, ClockThatIsSetChangesNoOrderAndBreaksNoChain) {
  {
    const auto store = MustOpen();
    int64_t last = 0;
    for (const absl::Duration step :
         {absl::ZeroDuration(), absl::Hours(24), absl::Hours(-48)}) {
      clock_.Jump(step);
      ASSERT_OK_AND_ASSIGN(
          const auto appended,
          store->Append(MakeComparison(absl::StrCat("c", last + 1))));
      EXPECT_EQ(appended.seq, last + 1) << step;
      last = appended.seq;
    }
  }
  ASSERT_OK_AND_ASSIGN(const auto table, OpenTable());
  EXPECT_OK(VerifyLog(*table, nullptr));
}

TEST_P(PreferenceStoreTest, NumbersFromOneAndSurvivesReopening) {
  {
    const auto store = MustOpen();
    EXPECT_EQ(store->Append(MakeComparison("one"))->seq, 1);
    EXPECT_EQ(store->Append(MakeComparison("two", v1::TIE))->seq, 2);
  }
  const auto store = MustOpen();

  ASSERT_OK_AND_ASSIGN(const auto read, store->Read(1, 100));
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].comparison_id(), "one");
  EXPECT_EQ(read[1].seq(), 2);
  EXPECT_EQ(read[1].committed_unix_ms(), 1'700'000'000'000);
  const PreferenceStore::Stats stats = store->GetStats();
  EXPECT_EQ(stats.num_comparisons, 2);
  EXPECT_EQ(stats.num_decided, 1);
  EXPECT_EQ(stats.num_by_worker.at("ada"), 2);
}

TEST_P(PreferenceStoreTest, SameIdAndContentIsAcknowledgedOnce) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  clock_.Advance(absl::Seconds(5));

  ASSERT_OK_AND_ASSIGN(const auto again, store->Append(MakeComparison("one")));
  EXPECT_EQ(again.seq, 1);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(store->GetStats().num_comparisons, 1);
  EXPECT_EQ(metrics_.comparisons_duplicate.Value(), 1);
}

TEST_P(PreferenceStoreTest, RetryThatTookLongerIsTheSameAnswer) {
  const auto store = MustOpen();
  v1::Comparison answer = MakeComparison("one");
  answer.set_source("page");
  answer.set_worker_seconds(3);
  ASSERT_OK(store->Append(answer));
  answer.set_worker_seconds(4);
  ASSERT_OK_AND_ASSIGN(const auto again, store->Append(answer));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(store->Read(1, 1)->at(0).worker_seconds(), 3);
}

TEST_P(PreferenceStoreTest, ExtraAnswerIsKeptAsSuchAndNotCountedAsDecided) {
  v1::Comparison extra = MakeComparison("late");
  extra.set_source("page");
  extra.set_extra(true);
  {
    const auto store = MustOpen();
    ASSERT_OK(store->Append(MakeComparison("in time")));
    EXPECT_TRUE(store->Append(extra)->extra);
    EXPECT_EQ(store->GetStats().num_decided, 1);
    // Whether there is a place is another question by the time of a retry.
    v1::Comparison retry = extra;
    retry.set_extra(false);
    ASSERT_OK_AND_ASSIGN(const auto again, store->Append(retry));
    EXPECT_TRUE(again.duplicate);
    EXPECT_TRUE(again.extra);
  }
  {
    const auto store = MustOpen();
    EXPECT_EQ(store->GetStats().num_decided, 1);
    EXPECT_TRUE(store->Read(2, 2)->at(0).extra());
    ASSERT_OK(store->VerifyChain());
    ASSERT_OK(
        store->Retract({.comparison_ids = {"late"}}, "asked to", "grace"));
    EXPECT_EQ(store->GetStats().num_decided, 1);
  }
  const v1::Comparison left = MustRead(2);
  EXPECT_EQ(left.choice(), v1::RETRACTED);
  EXPECT_TRUE(left.extra()) << "it never filled a place";
  EXPECT_OK(MustOpen()->VerifyChain());
}

// What was stored before the field was there has the bytes of one that counts.
TEST(ComparisonChainTest, RowsFromBeforeExtraAnswersStandAsTheyWere) {
  v1::Comparison comparison = MakeComparison("c1");
  const std::string before = comparison.SerializeAsString();
  comparison.set_extra(false);
  EXPECT_EQ(comparison.SerializeAsString(), before);
  EXPECT_EQ(TombstoneOf(comparison).SerializeAsString().find("\xe8\x01"),
            std::string::npos)
      << "nor does a tombstone name the field";
}

TEST_P(PreferenceStoreTest, SameIdWithOtherContentIsRefused) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));

  EXPECT_THAT(store->Append(MakeComparison("one", v1::B_BETTER)),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("\"one\""), HasSubstr("seq 1"))));
  EXPECT_THAT(store->Append(MakeComparison("")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("comparison_id is empty")));
  EXPECT_THAT(store->Append(MakeComparison("two", v1::RETRACTED)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("only the store sets")));
}

TEST_P(PreferenceStoreTest, AnyBytesMayBeAnId) {
  const std::string strange("a\0\xff'\"\\", 6);
  {
    const auto store = MustOpen();
    ASSERT_OK(store->Append(MakeComparison("one")));
    v1::Comparison comparison = MakeComparison("x");
    comparison.set_comparison_id(std::string("nul \0 nul", 9));
    ASSERT_OK(store->Append(comparison));
    ASSERT_OK(store->AddBatch({.batch_id = strange,
                               .source = strange,
                               .state = BatchState::kQuarantined,
                               .report = strange,
                               .payload = strange}));
  }
  const auto store = MustOpen();
  EXPECT_TRUE(store->Find(std::string("nul \0 nul", 9))->has_value());
  EXPECT_EQ(store->GetBatch(strange)->payload, strange);
  EXPECT_EQ(store->GetBatch(strange)->report, strange);
}

TEST_P(PreferenceStoreTest, BatchIsAllOrNothing) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));

  EXPECT_THAT(
      store->AppendAll({MakeComparison("two"), MakeComparison("one", v1::TIE)}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("one")));
  EXPECT_EQ(store->GetStats().num_comparisons, 1);
  ASSERT_OK_AND_ASSIGN(
      const auto appended,
      store->AppendAll({MakeComparison("two"), MakeComparison("two")}));
  EXPECT_EQ(appended[0].seq, 2);
  EXPECT_TRUE(appended[1].duplicate);
  EXPECT_OK(store->VerifyChain());
}

TEST_P(PreferenceStoreTest, ChainIsShaOverThePreviousLinkAndTheDigest) {
  const auto store = MustOpen();
  const std::string zeros(64, '0');
  EXPECT_EQ(store->GetStats().chain_head, zeros);
  ASSERT_OK(store->Append(MakeComparison("one")));

  v1::Comparison stored = MakeComparison("one");
  stored.set_seq(1);
  stored.set_committed_unix_ms(1'700'000'000'000);
  EXPECT_EQ(store->GetStats().chain_head,
            Sha256Hex(zeros + Sha256Hex(stored.SerializeAsString())));
}

TEST_P(PreferenceStoreTest, ChangedRowBreaksTheChainAndIsRefused) {
  Fill(3);
  v1::Comparison forged = MakeComparison("c2", v1::B_BETTER);
  forged.set_seq(2);
  ReplaceBytes(2, forged);
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("hash chain breaks at comparison 2"),
                             HasSubstr("left as it is"))));
}

TEST_P(PreferenceStoreTest, SecondInstanceIsRefusedWithTheFirstOnesPid) {
  const auto store = MustOpen();
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("held by"),
                             HasSubstr(absl::StrCat("process ", ::getpid())))));
  EXPECT_OK(store->Append(MakeComparison("one"))) << "the first goes on";
}

TEST_P(PreferenceStoreTest, ManyThreadsGetOneNumberEach) {
  const auto store = MustOpen();
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 25; ++i) {
          const v1::Comparison one =
              MakeComparison(absl::StrCat(thread, "-", i));
          EXPECT_OK(store->Append(one));
          EXPECT_TRUE(store->Append(one)->duplicate);
          // One that is refused takes none of its group along.
          EXPECT_THAT(
              store->Append(MakeComparison(one.comparison_id(), v1::TIE)),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("")));
        }
      });
    }
  }
  ASSERT_OK_AND_ASSIGN(const auto read, store->Read(1, 1000));
  ASSERT_THAT(read, SizeIs(200));
  EXPECT_EQ(store->GetStats().num_comparisons, 200);
  EXPECT_EQ(metrics_.comparisons_accepted.Value(), 200);
  EXPECT_OK(store->VerifyChain());
}

TEST_P(PreferenceStoreTest, RetractedComparisonKeepsItsPlaceAndLosesItsText) {
  Fill(1);
  v1::Comparison full = MakeComparison("c2", v1::B_BETTER);
  full.set_comment("a secret");
  full.set_edited_response("another");
  full.set_policy_version_a(7);
  full.set_pm_version(3);
  full.set_batch_id("b1");
  full.set_source("page");
  std::string head;
  {
    const auto store = MustOpen();
    ASSERT_OK(store->Append(full));
    head = store->GetStats().chain_head;
    ASSERT_OK_AND_ASSIGN(
        const auto retracted,
        store->Retract({.comparison_ids = {"c2"}}, "asked to", "grace"));
    EXPECT_THAT(retracted.seqs, ElementsAre(2));
    EXPECT_OK(store->VerifyChain());
  }
  v1::Comparison left;
  left.set_seq(2);
  left.set_comparison_id("c2");
  left.mutable_prompt()->set_prompt_id("0123456789abcdef");
  left.set_choice(v1::RETRACTED);
  left.set_policy_version_a(7);
  left.set_pm_version(3);
  left.set_batch_id("b1");
  left.set_source("page");
  left.set_committed_unix_ms(1'700'000'000'000);
  EXPECT_EQ(MustRead(2).SerializeAsString(), left.SerializeAsString());

  const auto store = MustOpen();
  const PreferenceStore::Stats stats = store->GetStats();
  EXPECT_EQ(stats.chain_head, head) << "what was frozen before keeps its name";
  EXPECT_EQ(stats.num_comparisons, 2);
  EXPECT_EQ(stats.num_retracted, 1);
  EXPECT_EQ(stats.num_decided, 1);
  EXPECT_EQ(stats.num_by_worker.at("ada"), 1);
  EXPECT_EQ(store->Append(MakeComparison("c3"))->seq, 3);
  EXPECT_OK(store->VerifyChain());
}

TEST_P(PreferenceStoreTest, RetractionsAreRecordedInAChainOfTheirOwn) {
  Fill(3);
  const auto store = MustOpen();
  ASSERT_OK(store->Retract({.comparison_ids = {"c3", "c1", "c3"}}, "asked to",
                           "grace"));
  ASSERT_OK_AND_ASSIGN(const auto records, store->ReadRetractions(1, 10));
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].seq(), 1);
  EXPECT_EQ(records[1].number(), 2);
  EXPECT_EQ(records[1].seq(), 3);
  EXPECT_EQ(records[1].reason(), "asked to");
  EXPECT_EQ(records[1].who(), "grace");
  EXPECT_EQ(records[1].retracted_unix_ms(), 1'700'000'000'000);
  const std::string first =
      ChainLink(ChainStart(), Sha256Hex(records[0].SerializeAsString()));
  EXPECT_EQ(store->GetStats().retraction_head,
            ChainLink(first, Sha256Hex(records[1].SerializeAsString())));
}

TEST_P(PreferenceStoreTest, ARetractionTellsWhetherTheAnswerMayHaveTaught) {
  const auto store = MustOpen();
  v1::Comparison extra = MakeComparison("c1");
  extra.set_extra(true);
  v1::Comparison gold = MakeComparison("c2");
  gold.set_source("gold");
  ASSERT_OK(store->AppendAll({extra, gold, MakeComparison("c3")}));
  ASSERT_OK(store->Retract({.worker_id = "ada"}, "asked to", "grace"));
  ASSERT_OK_AND_ASSIGN(const auto records, store->ReadRetractions(1, 10));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(records[0].taught_nothing());
  EXPECT_TRUE(records[1].taught_nothing());
  EXPECT_FALSE(records[2].taught_nothing());
}

TEST_P(PreferenceStoreTest, TotalsAreThoseOfTheStats) {
  Fill(2);
  const auto store = MustOpen();
  v1::Comparison bobs = MakeComparison("c3", v1::TIE);
  bobs.set_worker_id("bob");
  ASSERT_OK(store->Append(bobs));
  ASSERT_OK(store->Retract({.comparison_ids = {"c1"}}, "asked to", "grace"));
  const PreferenceStore::Totals totals = store->GetTotals();
  EXPECT_EQ(totals.num_comparisons, 3);
  EXPECT_EQ(totals.num_decided, 1);
  EXPECT_EQ(totals.num_workers, 2);
  EXPECT_EQ(totals.num_retracted, 1);
  EXPECT_EQ(totals.num_replaced, 0);
  EXPECT_EQ(totals.chain_head, store->GetStats().chain_head);
  EXPECT_EQ(store->NumOfWorker("ada"), 1);
  EXPECT_EQ(store->NumOfWorker("bob"), 1);
  EXPECT_EQ(store->NumOfWorker("eve"), 0);
}

TEST_P(PreferenceStoreTest, RetractingTwiceIsAcknowledged) {
  Fill(2);
  const auto store = MustOpen();
  ASSERT_OK(store->Retract({.comparison_ids = {"c1"}}, "asked to", "grace"));
  ASSERT_OK_AND_ASSIGN(
      const auto again,
      store->Retract({.comparison_ids = {"c1", "c2"}}, "again", "grace"));
  EXPECT_THAT(again.seqs, ElementsAre(2));
  EXPECT_EQ(again.num_retracted_before, 1);
  EXPECT_EQ(store->GetStats().num_retracted, 2);
  EXPECT_THAT(store->GetStats().num_by_worker, IsEmpty());
  EXPECT_OK(store->VerifyChain());
}

TEST_P(PreferenceStoreTest, NothingBringsARetractedComparisonBack) {
  Fill(1);
  {
    const auto store = MustOpen();
    ASSERT_OK(store->Retract({.comparison_ids = {"c1"}}, "asked to", "grace"));
    for (const v1::Choice choice : {v1::A_BETTER, v1::TIE}) {
      ASSERT_OK_AND_ASSIGN(const auto again,
                           store->Append(MakeComparison("c1", choice)));
      EXPECT_TRUE(again.duplicate);
      EXPECT_EQ(again.seq, 1);
    }
  }
  EXPECT_EQ(MustRead(1).choice(), v1::RETRACTED);
  EXPECT_EQ(MustRead(1).response_a(), "");
}

TEST_P(PreferenceStoreTest, WhatCouldNotBeReadBackIsNotAppended) {
  const auto store = MustOpen();
  v1::Comparison comparison = MakeComparison("c1");
  comparison.set_source("import:\xff");
  EXPECT_THAT(
      store->AppendAll({MakeComparison("c0"), comparison}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not UTF-8")));
  EXPECT_EQ(store->GetStats().num_comparisons, 0);
  EXPECT_OK(store->Append(MakeComparison("c2")));
  EXPECT_OK(store->VerifyChain());
}

TEST_P(PreferenceStoreTest, WorkersAndBatchesAreRetractedWhole) {
  const auto store = MustOpen();
  for (int i = 0; i < 12; ++i) {
    v1::Comparison comparison = MakeComparison(absl::StrCat("c", i));
    comparison.set_worker_id(i % 3 == 0 ? "eve" : "ada");
    comparison.set_batch_id(i < 6 ? "first" : "second");
    ASSERT_OK(store->Append(comparison));
  }
  ASSERT_OK_AND_ASSIGN(const auto worker,
                       store->Retract({.worker_id = "eve"}, "spam", "grace"));
  EXPECT_THAT(worker.seqs, ElementsAre(1, 4, 7, 10));
  ASSERT_OK_AND_ASSIGN(const auto batch,
                       store->Retract({.batch_id = "second"}, "bad", "grace"));
  EXPECT_THAT(batch.seqs, ElementsAre(8, 9, 11, 12));
  EXPECT_EQ(batch.num_retracted_before, 2);
  EXPECT_EQ(store->GetStats().num_by_worker.size(), 1u);
  EXPECT_EQ(store->GetStats().num_by_worker.at("ada"), 4);
  ASSERT_OK_AND_ASSIGN(const auto nobody,
                       store->Retract({.worker_id = "eve"}, "spam", "grace"));
  EXPECT_THAT(nobody.seqs, IsEmpty());
}

TEST_P(PreferenceStoreTest, WhatWasRetractedWholeIsRememberedWithoutNames) {
  {
    const auto store = MustOpen();
    v1::Comparison comparison = MakeComparison("c1");
    comparison.set_worker_id("eve");
    comparison.set_batch_id("first");
    ASSERT_OK(store->Append(comparison));
    ASSERT_OK(store->Retract({.comparison_ids = {"c1"}}, "asked to", "grace"));
    EXPECT_FALSE(store->IsRetractedWorker("eve")) << "a comparison only";
    EXPECT_THAT(*store->RetractionOfBatch("first"), Eq(std::nullopt));
    // Of which the log has nothing that is left to retract.
    ASSERT_OK(store->Retract({.worker_id = "eve"}, "spam", "grace"));
    ASSERT_OK(store->Retract({.batch_id = "first"}, "bad", "ada"));
    ASSERT_OK(store->Retract({.worker_id = "eve"}, "spam", "grace"));
    EXPECT_EQ(store->GetStats().num_retracted, 3) << "the last says no more";
    EXPECT_EQ(store->GetStats().num_tombstones, 1);
    EXPECT_OK(store->VerifyChain());
  }
  const auto store = MustOpen();
  EXPECT_TRUE(store->IsRetractedWorker("eve"));
  EXPECT_FALSE(store->IsRetractedWorker("ada"));
  ASSERT_OK_AND_ASSIGN(const auto batch, store->RetractionOfBatch("first"));
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->who(), "ada");
  EXPECT_EQ(batch->reason(), "bad");
  EXPECT_EQ(store->GetStats().num_tombstones, 1);
  ASSERT_OK_AND_ASSIGN(const auto records, store->ReadRetractions(1, 9));
  for (const v1::Retraction& record : records) {
    EXPECT_THAT(record.DebugString(), Not(HasSubstr("eve")));
  }
}

TEST_P(PreferenceStoreTest, RetractionWantsOneKindAReasonAndAName) {
  Fill(1);
  const auto store = MustOpen();
  EXPECT_THAT(
      store->Retract({}, "asked to", "grace"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 kinds")));
  EXPECT_THAT(
      store->Retract({.worker_id = "ada", .batch_id = "b"}, "r", "g"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 kinds")));
  EXPECT_THAT(store->Retract({.worker_id = "ada"}, "", "grace"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("wants a reason")));
  EXPECT_THAT(
      store->Retract({.comparison_ids = {"c1", "c9"}}, "asked to", "grace"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"c9\"")));
  EXPECT_EQ(store->GetStats().num_retracted, 0);
}

TEST_P(PreferenceStoreTest, TextThatIsGoneWithoutARetractionIsDamage) {
  Fill(2);
  ReplaceBytes(2, TombstoneOf(MustRead(2)));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("comparison 2 is gone"),
                                     HasSubstr("no retraction says why"))));
}

TEST_P(PreferenceStoreTest, RetractedTextThatIsThereAgainIsDamage) {
  Fill(2);
  const v1::Comparison before = MustRead(2);
  ASSERT_OK(MustOpen()->Retract({.comparison_ids = {"c2"}}, "r", "grace"));
  ReplaceBytes(2, before);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("its text is there again")));
}

TEST_P(PreferenceStoreTest, ChangedTombstoneBreaksTheChain) {
  Fill(2);
  ASSERT_OK(MustOpen()->Retract({.comparison_ids = {"c2"}}, "r", "grace"));
  v1::Comparison tombstone = MustRead(2);
  tombstone.set_batch_id("another");
  ReplaceBytes(2, tombstone);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("breaks at comparison 2")));
}

}  // namespace
}  // namespace rlhf
