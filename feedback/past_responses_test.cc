#include "feedback/past_responses.h"

#include <set>

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

}  // namespace
}  // namespace rlhf
