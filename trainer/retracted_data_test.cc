#include "trainer/retracted_data.h"

#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Each of 1970, as the clock was set back after the data was read.
v1::Retraction Retracted(int64_t seq, int64_t number) {
  v1::Retraction retraction;
  retraction.set_seq(seq);
  retraction.set_number(number);
  retraction.set_retracted_unix_ms(number);
  return retraction;
}

// The first 10 comparisons, read when there were `num_retractions`.
v1::DataSnapshot Data(int64_t num_retractions) {
  v1::DataSnapshot data;
  data.set_last_seq(10);
  data.set_read_unix_ms(1'700'000'000'000);
  data.set_num_retractions(num_retractions);
  return data;
}

TEST(RetractedDataTest, CountsWhatWasReadAndThenTakenBackWhateverTheClockSaid) {
  EXPECT_EQ(CountRetractedSince(Data(2), {}), 0);
  const std::vector<v1::Retraction> retractions = {
      Retracted(1, 1),   // was gone when it was read
      Retracted(3, 2),   // the last one that was
      Retracted(2, 3),   // the first one that was not
      Retracted(10, 4),  // the last comparison that was read
      Retracted(11, 5),  // came later
      Retracted(-6, 6),  // of a worker who had no comparison in the log
  };
  EXPECT_EQ(CountRetractedSince(Data(2), retractions), 2);
}

// It does not say what it saw: too many candidates are refused, not too few.
TEST(RetractedDataTest, DataOfAnOlderVersionCountsAsReadBeforeAllRetractions) {
  EXPECT_EQ(CountRetractedSince(Data(0), {Retracted(1, 1), Retracted(2, 2)}),
            2);
}

// Nobody took it back: the PM after this one learns the new answer.
TEST(RetractedDataTest, WhatWasAnsweredAnewCostsNoPmItsPlace) {
  v1::Retraction replaced = Retracted(2, 1);
  replaced.set_replaced_by(11);
  EXPECT_EQ(CountRetractedSince(Data(0), {replaced}), 0);
}

// Answers to gold questions, and extra ones.
TEST(RetractedDataTest, WhatTaughtNothingCostsNoPmItsPlace) {
  v1::Retraction extra = Retracted(2, 1);
  extra.set_taught_nothing(true);
  EXPECT_EQ(CountRetractedSince(Data(0), {extra, Retracted(3, 2)}), 1);
}

}  // namespace
}  // namespace rlhf
