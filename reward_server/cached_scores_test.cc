#include "reward_server/cached_scores.h"

#include <bit>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Sequences = std::vector<std::vector<int32_t>>;

// A PM of so many members; nothing here runs a model.
LoadedPm PmOf(int num_members, int64_t version, const std::string& digest) {
  LoadedPm pm = {.format = ChatFormat(ChatFormat::Kind::kChatMl)};
  pm.version.set_version(version);
  pm.version.set_digest(digest);
  for (int m = 0; m < num_members; ++m) pm.models.push_back(MakeTinyModel(1));
  return pm;
}

TEST(CachedScoresTest, OfAnEmptyCacheEverythingIsMissing) {
  ScoreCache cache(1 << 20);
  const KnownScores known =
      FindScores(PmOf(1, 1, "a"), Sequences{{1, 2}, {3}}, cache);
  EXPECT_THAT(known.missing, ElementsAre(0, 1));
  EXPECT_THAT(known.scores.combined, ElementsAre(0, 0));
  EXPECT_THAT(known.scores.by_member, IsEmpty());
}

TEST(CachedScoresTest, WhatWasKeptIsFoundInItsPlaceAndTheRestIsMissing) {
  ScoreCache cache(1 << 20);
  const LoadedPm pm = PmOf(1, 1, "a");
  KeepScores(pm, Sequences{{1, 2}, {3}}, {.combined = {0.1F, -0.0F}}, cache);
  const KnownScores known =
      FindScores(pm, Sequences{{9}, {3}, {1, 2, 0}, {1, 2}, {1}}, cache);
  EXPECT_THAT(known.missing, ElementsAre(0, 2, 4));
  ASSERT_THAT(known.scores.combined, SizeIs(5));
  EXPECT_EQ(std::bit_cast<uint32_t>(known.scores.combined[1]),
            std::bit_cast<uint32_t>(-0.0F));
  EXPECT_EQ(known.scores.combined[3], 0.1F);
}

TEST(CachedScoresTest, EachMemberHasItsOwnScoreBack) {
  ScoreCache cache(1 << 20);
  const LoadedPm pm = PmOf(2, 1, "a");
  KeepScores(pm, Sequences{{1}, {2}},
             {.combined = {10, 20}, .by_member = {{1, 2}, {3, 6}}}, cache);
  const KnownScores known = FindScores(pm, Sequences{{2}, {7}, {1}}, cache);
  EXPECT_THAT(known.missing, ElementsAre(1));
  EXPECT_THAT(known.scores.combined, ElementsAre(20, 0, 10));
  EXPECT_THAT(known.scores.by_member,
              ElementsAre(ElementsAre(2, 0, 1), ElementsAre(6, 0, 3)));
}

TEST(CachedScoresTest, WhatIsMissingCanBePlacedBesideWhatIsKnown) {
  ScoreCache cache(1 << 20);
  const LoadedPm pm = PmOf(2, 1, "a");
  KeepScores(pm, Sequences{{1}}, {.combined = {5}, .by_member = {{2}, {3}}},
             cache);
  KnownScores known = FindScores(pm, Sequences{{8}, {1}, {9}}, cache);
  Place({.combined = {7, 6}, .by_member = {{4, 1}, {3, 5}}}, known.missing,
        known.scores);
  EXPECT_THAT(known.scores.combined, ElementsAre(7, 5, 6));
  EXPECT_THAT(known.scores.by_member,
              ElementsAre(ElementsAre(4, 2, 1), ElementsAre(3, 3, 5)));
}

TEST(CachedScoresTest, ScoresOfAnotherVersionOrDigestAreNotFound) {
  ScoreCache cache(1 << 20);
  const Sequences sequences = {{1, 2}};
  KeepScores(PmOf(1, 1, "a"), sequences, {.combined = {5}}, cache);
  for (const LoadedPm& other :
       {PmOf(1, 2, "a"), PmOf(1, 1, "b"), PmOf(1, 11, "a"), PmOf(1, 1, "")}) {
    EXPECT_THAT(FindScores(other, sequences, cache).missing, ElementsAre(0));
  }
  EXPECT_THAT(FindScores(PmOf(1, 1, "a"), sequences, cache).missing, IsEmpty());
}

TEST(CachedScoresTest, TokensOfTheSameBytesInAnotherOrderAreOthers) {
  ScoreCache cache(1 << 20);
  const LoadedPm pm = PmOf(1, 1, "a");
  KeepScores(pm, Sequences{{1, 256}}, {.combined = {5}}, cache);
  const Sequences others = {{256, 1}, {1, 256, 0}, {257}, {1}, {256}};
  EXPECT_THAT(FindScores(pm, others, cache).missing,
              ElementsAre(0, 1, 2, 3, 4));
}

TEST(CachedScoresTest, TheFirstScoreOfADialogueStays) {
  ScoreCache cache(1 << 20);
  const LoadedPm pm = PmOf(1, 1, "a");
  KeepScores(pm, Sequences{{1}, {1}}, {.combined = {5, 5.5F}}, cache);
  KeepScores(pm, Sequences{{1}}, {.combined = {6}}, cache);
  EXPECT_THAT(FindScores(pm, Sequences{{1}}, cache).scores.combined,
              ElementsAre(5));
}

TEST(CachedScoresTest, WithoutMemoryNothingIsKept) {
  ScoreCache cache(0);
  const LoadedPm pm = PmOf(1, 1, "a");
  KeepScores(pm, Sequences{{1}}, {.combined = {5}}, cache);
  EXPECT_THAT(FindScores(pm, Sequences{{1}}, cache).missing, ElementsAre(0));
}

}  // namespace
}  // namespace rlhf
