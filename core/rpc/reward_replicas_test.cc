#include "core/rpc/reward_replicas.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

v1::RewardStatus Holding(int64_t serving, int64_t previous) {
  v1::RewardStatus status;
  status.mutable_serving()->set_version(serving);
  status.mutable_previous()->set_version(previous);
  return status;
}

TEST(ReplicaTurnsTest, EveryReplicaHasItsTurn) {
  ReplicaTurns turns(3);
  EXPECT_THAT(turns.Next(kStart), ElementsAre(0, 1, 2));
  EXPECT_THAT(turns.Next(kStart), ElementsAre(1, 2, 0));
  EXPECT_THAT(turns.Next(kStart), ElementsAre(2, 0, 1));
  EXPECT_THAT(turns.Next(kStart), ElementsAre(0, 1, 2));
}

TEST(ReplicaTurnsTest, WhoDidNotAnswerIsAskedLastForAWhile) {
  ReplicaTurns turns(3);
  turns.Note(0, absl::UnavailableError("gone"), kStart);
  EXPECT_THAT(turns.Next(kStart), ElementsAre(1, 2, 0));
  const absl::Time almost =
      kStart + ReplicaTurns::kAvoid - absl::Milliseconds(1);
  EXPECT_THAT(turns.Next(almost), ElementsAre(1, 2, 0));
  turns.Next(almost);
  EXPECT_THAT(turns.Next(kStart + ReplicaTurns::kAvoid), ElementsAre(0, 1, 2));
}

TEST(ReplicaTurnsTest, WhoIsSilentAgainIsAskedLastForTwiceAsLong) {
  ReplicaTurns turns(2);
  const absl::Status gone = absl::UnavailableError("gone");
  turns.Note(0, gone, kStart);
  turns.Note(0, gone, kStart);  // the same silence
  const absl::Time again = kStart + ReplicaTurns::kAvoid;
  EXPECT_THAT(turns.Next(again), ElementsAre(0, 1));
  turns.Note(0, gone, again);
  turns.Next(again);
  EXPECT_THAT(turns.Next(again + 1.9 * ReplicaTurns::kAvoid),
              ElementsAre(1, 0));
  EXPECT_THAT(turns.Next(again + 2 * ReplicaTurns::kAvoid), ElementsAre(1, 0));
  EXPECT_THAT(turns.Next(again + 2 * ReplicaTurns::kAvoid), ElementsAre(0, 1));
}

TEST(ReplicaTurnsTest, WhoAnswersAgainHasItsTurnAgain) {
  ReplicaTurns turns(2);
  turns.Note(0, absl::DeadlineExceededError("hung"), kStart);
  turns.Note(0, absl::ResourceExhaustedError("full, so it lives"), kStart);
  EXPECT_THAT(turns.Next(kStart), ElementsAre(0, 1));
}

TEST(ReplicaTurnsTest, IfNobodyAnswersAllAreAskedStill) {
  ReplicaTurns turns(2);
  turns.Note(0, absl::UnavailableError(""), kStart);
  turns.Note(1, absl::UnavailableError(""), kStart);
  EXPECT_THAT(turns.Next(kStart), ElementsAre(0, 1));
}

TEST(MoreTellingTest, AFullQueueBeforeAnUnknownVersionBeforeSilence) {
  const absl::Status full = absl::ResourceExhaustedError("full");
  const absl::Status unknown = absl::NotFoundError("no version 3");
  const absl::Status silent = absl::UnavailableError("gone");
  EXPECT_EQ(MoreTelling(silent, unknown), unknown);
  EXPECT_EQ(MoreTelling(unknown, silent), unknown);
  EXPECT_EQ(MoreTelling(unknown, full), full);
  EXPECT_EQ(MoreTelling(full, silent), full);
  EXPECT_EQ(MoreTelling(absl::OkStatus(), silent), silent);
  EXPECT_TRUE(AnotherMayScore(unknown));
  EXPECT_TRUE(AnotherMayScore(full));
  EXPECT_FALSE(AnotherMayScore(absl::InvalidArgumentError("too long")));
}

TEST(MergeStatusesTest, ANewPmIsPinnedOnceAllHaveIt) {
  // Version 2 was promoted; the first replica has swapped, the second has not.
  v1::RewardStatus merged = MergeStatuses({Holding(2, 1), Holding(1, 0)});
  EXPECT_EQ(merged.serving().version(), 1);
  EXPECT_EQ(merged.previous().version(), 2);
  merged = MergeStatuses({Holding(2, 1), Holding(2, 1)});
  EXPECT_EQ(merged.serving().version(), 2);
  EXPECT_EQ(merged.previous().version(), 1);
}

TEST(MergeStatusesTest, ARollbackTakesTheOneThatServesAtMore) {
  EXPECT_EQ(MergeStatuses({Holding(1, 2), Holding(2, 1), Holding(1, 2)})
                .serving()
                .version(),
            1);
}

TEST(MergeStatusesTest, AReplicaWithoutAPmDoesNotHideTheOthers) {
  EXPECT_EQ(MergeStatuses({Holding(0, 0), Holding(3, 2)}).serving().version(),
            3);
  EXPECT_EQ(MergeStatuses({Holding(0, 0), Holding(0, 0)}).serving().version(),
            0);
}

TEST(MergeStatusesTest, ACanaryIsOneThatAllHave) {
  v1::RewardStatus a = Holding(1, 0), b = Holding(1, 0);
  a.mutable_canary()->set_version(2);
  EXPECT_EQ(MergeStatuses({a, b}).canary().version(), 0);
  EXPECT_EQ(MergeStatuses({b, a}).canary().version(), 0);
  b.mutable_canary()->set_version(2);
  b.set_canary_error("cannot read it");
  EXPECT_EQ(MergeStatuses({a, b}).canary().version(), 2);
  EXPECT_EQ(MergeStatuses({a, b}).canary_error(), "cannot read it");
}

TEST(MergeStatusesTest, TheShadowIsTheOneThatSawMost) {
  v1::RewardStatus a = Holding(1, 0), b = Holding(1, 0);
  a.mutable_shadow()->set_num_dialogues(3);
  b.mutable_shadow()->set_num_dialogues(5);
  EXPECT_EQ(MergeStatuses({a, b}).shadow().num_dialogues(), 5);
  EXPECT_EQ(MergeStatuses({b, a}).shadow().num_dialogues(), 5);
}

TEST(MergeStatusesTest, OneReplicaIsAsItIs) {
  v1::RewardStatus status = Holding(4, 3);
  status.set_num_swaps(7);
  status.mutable_canary()->set_version(5);
  EXPECT_EQ(MergeStatuses({status}).SerializeAsString(),
            status.SerializeAsString());
}

}  // namespace
}  // namespace rlhf
