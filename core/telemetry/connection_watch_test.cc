#include "core/telemetry/connection_watch.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ConnectionWatchTest : public ::testing::Test {
 protected:
  ConnectionWatchTest()
      : watch_({.header_timeout = absl::Seconds(10),
                .idle_timeout = absl::Seconds(30),
                .body_timeout = absl::Seconds(120),
                .num_crowded = 3},
               [this](int fd) { broken_off_.push_back(fd); }) {}

  static absl::Time At(int seconds) {
    return absl::UnixEpoch() + absl::Seconds(seconds);
  }

  std::vector<int> broken_off_;
  ConnectionWatch watch_;
};

TEST_F(ConnectionWatchTest, HeadersThatDoNotEndAreBrokenOffOnce) {
  watch_.Opened(1, At(0));
  watch_.BreakOffLate(At(9));
  EXPECT_THAT(broken_off_, IsEmpty());
  watch_.BreakOffLate(At(10));
  watch_.BreakOffLate(At(11));
  EXPECT_THAT(broken_off_, ElementsAre(1));
}

TEST_F(ConnectionWatchTest, ABodyThatDoesNotEndIsBrokenOff) {
  watch_.Opened(1, At(0));
  watch_.HasHeaders(1, At(5));
  watch_.BreakOffLate(At(124));
  EXPECT_THAT(broken_off_, IsEmpty());
  watch_.BreakOffLate(At(125));
  EXPECT_THAT(broken_off_, ElementsAre(1));
}

TEST_F(ConnectionWatchTest, AnAnswerMayTakeAsLongAsItTakes) {
  watch_.Opened(1, At(0));
  watch_.HasHeaders(1, At(0));
  watch_.HasRequest(1);
  watch_.BreakOffLate(At(100'000));
  EXPECT_THAT(broken_off_, IsEmpty());
}

TEST_F(ConnectionWatchTest, TheNextRequestHasTheSilenceBeforeItInAddition) {
  watch_.Opened(1, At(0));
  watch_.HasHeaders(1, At(0));
  watch_.HasRequest(1);
  watch_.Answered(1, At(100));
  watch_.BreakOffLate(At(139));
  EXPECT_THAT(broken_off_, IsEmpty());
  watch_.BreakOffLate(At(140));
  EXPECT_THAT(broken_off_, ElementsAre(1));
}

TEST_F(ConnectionWatchTest, WhatIsClosedIsNotBrokenOff) {
  watch_.Opened(1, At(0));
  watch_.Closed(1);
  watch_.BreakOffLate(At(100));
  EXPECT_THAT(broken_off_, IsEmpty());
}

TEST_F(ConnectionWatchTest, WhoHasWaitedLongestForARequestMakesRoom) {
  watch_.Opened(3, At(0));
  watch_.HasRequest(3);
  watch_.Opened(2, At(1));
  watch_.HasHeaders(2, At(1));
  watch_.Opened(1, At(2));
  EXPECT_THAT(broken_off_, IsEmpty());
  watch_.Opened(4, At(3));
  EXPECT_THAT(broken_off_, ElementsAre(2));
  watch_.Opened(5, At(4));
  EXPECT_THAT(broken_off_, ElementsAre(2, 1));
}

TEST_F(ConnectionWatchTest, NobodyWhoWaitsForAnAnswerMakesRoom) {
  for (int fd : {1, 2, 3}) {
    watch_.Opened(fd, At(0));
    watch_.HasRequest(fd);
  }
  watch_.Opened(4, At(1));
  EXPECT_THAT(broken_off_, IsEmpty());
}

}  // namespace
}  // namespace rlhf
