#include "core/text/bpe.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Tokens of the bytes a to d; no other byte has one.
constexpr int32_t kA = 0, kB = 1, kC = 2, kD = 3;

BpeMerges FourLetters() {
  std::vector<int32_t> byte_ids(256, -1);
  for (int32_t i = 0; i < 4; ++i) byte_ids[static_cast<size_t>('a' + i)] = i;
  return BpeMerges(std::move(byte_ids));
}

std::vector<int32_t> Encode(const BpeMerges& merges, absl::string_view word) {
  std::vector<int32_t> ids;
  merges.Encode(word, ids);
  return ids;
}

TEST(BpeMergesTest, WithoutMergesEveryByteIsItsToken) {
  EXPECT_THAT(Encode(FourLetters(), "dab"), ElementsAre(kD, kA, kB));
  EXPECT_THAT(Encode(FourLetters(), ""), IsEmpty());
}

TEST(BpeMergesTest, TheRankDecidesNotThePlace) {
  BpeMerges merges = FourLetters();
  merges.Add(kB, kC, 10);
  merges.Add(kA, kB, 11);
  merges.Add(kC, kD, 12);
  // b c first; then neither a b nor c d is there any more.
  EXPECT_THAT(Encode(merges, "abcd"), ElementsAre(kA, 10, kD));
}

TEST(BpeMergesTest, OfEqualRanksTheLeftmostIsMerged) {
  BpeMerges merges = FourLetters();
  merges.Add(kA, kA, 10);
  EXPECT_THAT(Encode(merges, "aaa"), ElementsAre(10, kA));
  EXPECT_THAT(Encode(merges, "aaaa"), ElementsAre(10, 10));
}

TEST(BpeMergesTest, AMergedPairGoesBeforeOlderOnesIfItsRankIsLower) {
  BpeMerges merges = FourLetters();
  merges.Add(10, kC, 20);  // ab c
  merges.Add(kA, kB, 10);  // a b
  merges.Add(kC, kD, 11);  // c d
  merges.Add(20, 20, 21);  // abc abc
  // a b c d: "c d" waits with rank 2 while a b (1) makes room for ab c (0).
  EXPECT_THAT(Encode(merges, "abcd"), ElementsAre(20, kD));
  EXPECT_THAT(Encode(merges, "abcabc"), ElementsAre(21));
  // Without an a before it, c d is merged.
  EXPECT_THAT(Encode(merges, "bcd"), ElementsAre(kB, 11));
}

TEST(BpeMergesTest, AMergedPairLooksToItsLeftToo) {
  BpeMerges merges = FourLetters();
  merges.Add(kB, kC, 10);
  merges.Add(kA, 10, 11);
  EXPECT_THAT(Encode(merges, "abc"), ElementsAre(11));
}

TEST(BpeMergesTest, OfAPairDeclaredTwiceTheLastCounts) {
  BpeMerges merges = FourLetters();
  merges.Add(kA, kB, 10);
  merges.Add(kB, kC, 11);
  merges.Add(kA, kB, 12);
  EXPECT_THAT(Encode(merges, "ab"), ElementsAre(12));
  // Its rank is 2 now, so b c goes first.
  EXPECT_THAT(Encode(merges, "abc"), ElementsAre(kA, 11));
}

TEST(BpeMergesTest, BytesWithoutATokenAreLeftOutBeforeTheMerges) {
  BpeMerges merges = FourLetters();
  merges.Add(kA, kB, 10);
  EXPECT_THAT(Encode(merges, "zazb\xFF"), ElementsAre(10));
  EXPECT_THAT(Encode(merges, "zz"), IsEmpty());
}

TEST(BpeMergesTest, TokensAreAppended) {
  std::vector<int32_t> ids = {7};
  FourLetters().Encode("b", ids);
  EXPECT_THAT(ids, ElementsAre(7, kB));
}

}  // namespace
}  // namespace rlhf
