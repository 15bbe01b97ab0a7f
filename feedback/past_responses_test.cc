#include "feedback/past_responses.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

PastResponse Response(int64_t version) {
  PastResponse response = {.response = {"text", version}};
  response.prompt.set_prompt_id("p");
  return response;
}

TEST(PastResponsesTest, GivesOnesOfEarlierVersionsOnly) {
  PastResponses past;
  EXPECT_FALSE(past.Draw(9, 0).has_value());
  past.Add(Response(3));
  past.Add(Response(1));
  for (uint64_t key = 0; key < 10; ++key) {
    EXPECT_EQ(past.Draw(3, key)->response.policy_version, 1);
    EXPECT_FALSE(past.Draw(1, key).has_value());
  }
  std::set<int64_t> drawn;
  for (uint64_t key = 0; key < 10; ++key) {
    drawn.insert(past.Draw(4, key)->response.policy_version);
  }
  EXPECT_EQ(drawn, (std::set<int64_t>{1, 3}));
}

TEST(PastResponsesTest, IsBoundedAndForgetsTheOldBitByBit) {
  PastResponses past;
  constexpr int64_t kAdded = 2 * PastResponses::kCapacity;
  for (int64_t version = 0; version < kAdded; ++version) {
    past.Add(Response(version));
  }
  int64_t old = 0;
  for (uint64_t key = 0; key < PastResponses::kCapacity; ++key) {
    old += past.Draw(kAdded, key)->response.policy_version <
                   static_cast<int64_t>(PastResponses::kCapacity)
               ? 1
               : 0;
  }
  // Each of 256 places is kept with probability (255/256)^256 = 0.37.
  EXPECT_GT(old, 60);
  EXPECT_LT(old, 130);
}

v1::UpdateReport UpdateAfter(int64_t version, double kl_nats) {
  v1::UpdateReport report;
  report.set_update(version + 1);
  report.set_kl_k1_nats_per_sequence(kl_nats);
  return report;
}

PastResponse Response(int64_t version, int number) {
  PastResponse response = Response(version);
  response.prompt.set_prompt_id(absl::StrCat(number));
  return response;
}

// Of 1,000 draws, how many are of the version.
int TimesDrawn(const PastResponses& past, int64_t version) {
  int times = 0;
  for (uint64_t key = 0; key < 1'000; ++key) {
    times += past.Draw(100, key)->response.policy_version == version ? 1 : 0;
  }
  return times;
}

TEST(PastResponsesTest, ABandOfTheKlThatHasFewIsDrawnAsOftenAsOneOfMany) {
  PastResponses past;
  past.Add(Response(0));
  for (int i = 0; i < 99; ++i) past.Add(Response(1, i));
  EXPECT_LT(TimesDrawn(past, 0), 50) << "nothing tells the versions apart";
  past.Saw({UpdateAfter(1, 4.0)});
  // Three standard deviations.
  EXPECT_NEAR(TimesDrawn(past, 0), 500, 48);
}

TEST(PastResponsesTest, WhatIsRareOnThePathStaysWhenItIsFull) {
  PastResponses past;
  past.Saw({UpdateAfter(1, 4.0)});
  for (int i = 0; i < 20; ++i) past.Add(Response(0, i));
  for (int i = 0; i < 1'000; ++i) past.Add(Response(1, i));
  EXPECT_EQ(past.size(), PastResponses::kCapacity);
  std::set<std::string> initial;
  for (uint64_t key = 0; key < 1'000; ++key) {
    initial.insert(past.Draw(1, key)->prompt.prompt_id());
  }
  EXPECT_EQ(initial.size(), 20u);
}

TEST(PastResponsesTest, TheSameResponseIsKeptOnce) {
  PastResponses past;
  for (int i = 0; i < 3; ++i) past.Add(Response(1));
  past.Add(Response(2));
  past.Add(Response(1, 7));
  EXPECT_EQ(past.size(), 3u);
}

}  // namespace
}  // namespace rlhf
