#include "trainer/retracted_data.h"

#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Retraction Retracted(int64_t seq, int64_t unix_ms) {
  v1::Retraction retraction;
  retraction.set_seq(seq);
  retraction.set_retracted_unix_ms(unix_ms);
  return retraction;
}

TEST(RetractedDataTest, CountsWhatWasReadAndThenTakenBack) {
  v1::DataSnapshot data;
  data.set_last_seq(10);
  data.set_read_unix_ms(1000);
  EXPECT_EQ(CountRetractedSince(data, {}), 0);
  const std::vector<v1::Retraction> retractions = {
      Retracted(1, 999),    // was gone when it was read
      Retracted(2, 1000),   // nobody knows which came first
      Retracted(10, 1001),  // the last that was read
      Retracted(11, 1001),  // came later
      Retracted(-5, 1001),  // of a worker who had no comparison in the log
  };
  EXPECT_EQ(CountRetractedSince(data, retractions), 2);
}

// Nobody took it back: the PM after this one learns the new answer.
TEST(RetractedDataTest, WhatWasAnsweredAnewCostsNoPmItsPlace) {
  v1::DataSnapshot data;
  data.set_last_seq(10);
  data.set_read_unix_ms(1000);
  v1::Retraction replaced = Retracted(2, 2000);
  replaced.set_replaced_by(11);
  EXPECT_EQ(CountRetractedSince(data, {replaced}), 0);
}

}  // namespace
}  // namespace rlhf
