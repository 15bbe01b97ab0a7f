#include "feedback/access/sessions.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(SessionsTest, IdFindsItsAccountUntilItsEnd) {
  Sessions sessions({});
  const std::string ada = sessions.Begin("ada", 3, kNow);
  const std::string bob = sessions.Begin("bob", 1, kNow);
  EXPECT_EQ(ada.size(), 64u);
  ASSERT_NE(sessions.Use(ada, kNow), nullptr);
  EXPECT_EQ(sessions.Use(ada, kNow)->account, "ada");
  EXPECT_EQ(sessions.Use(ada, kNow)->account_version, 3);
  EXPECT_NE(sessions.Use(ada, kNow)->csrf_token,
            sessions.Use(bob, kNow)->csrf_token);
  sessions.End(ada);
  EXPECT_EQ(sessions.Use(ada, kNow), nullptr);
  EXPECT_NE(sessions.Use(bob, kNow), nullptr);
  EXPECT_EQ(sessions.Use("", kNow), nullptr);
}

TEST(SessionsTest, SessionEndsUnusedAndInTheEndEvenWhenUsed) {
  Sessions sessions({.absolute = absl::Hours(12), .idle = absl::Hours(3)});
  const std::string idle = sessions.Begin("ada", 1, kNow);
  const std::string busy = sessions.Begin("ada", 1, kNow);
  for (int hours = 2; hours < 12; hours += 2) {
    EXPECT_NE(sessions.Use(busy, kNow + absl::Hours(hours)), nullptr) << hours;
  }
  EXPECT_EQ(sessions.Use(idle, kNow + absl::Hours(3)), nullptr);
  EXPECT_EQ(sessions.Use(busy, kNow + absl::Hours(12)), nullptr);
  EXPECT_EQ(sessions.size(), 0u);
}

TEST(SessionsTest, OneAccountCannotPushOthersOut) {
  Sessions sessions({.max_sessions = 100, .max_per_account = 3});
  const std::string bob = sessions.Begin("bob", 1, kNow);
  const std::string first = sessions.Begin("ada", 1, kNow);
  const std::string second = sessions.Begin("ada", 1, kNow + absl::Seconds(1));
  ASSERT_NE(sessions.Use(first, kNow + absl::Seconds(2)), nullptr);
  for (int i = 0; i < 2; ++i) {
    sessions.Begin("ada", 1, kNow + absl::Seconds(3 + i));
  }
  EXPECT_EQ(sessions.size(), 4u);
  EXPECT_EQ(sessions.Use(second, kNow + absl::Seconds(5)), nullptr)
      << "it was used least recently";
  EXPECT_NE(sessions.Use(first, kNow + absl::Seconds(5)), nullptr);
  EXPECT_NE(sessions.Use(bob, kNow + absl::Seconds(5)), nullptr);
}

TEST(SessionsTest, NumberIsBoundedAndEndedOnesGoFirst) {
  Sessions sessions({.idle = absl::Hours(3), .max_sessions = 3});
  for (int i = 0; i < 3; ++i) {
    sessions.Begin(absl::StrCat("a", i), 1, kNow + absl::Seconds(i));
  }
  const std::string last = sessions.Begin("b", 1, kNow + absl::Seconds(3));
  EXPECT_EQ(sessions.size(), 3u);
  EXPECT_NE(sessions.Use(last, kNow + absl::Seconds(3)), nullptr);
  sessions.Begin("c", 1, kNow + absl::Hours(4));
  EXPECT_EQ(sessions.size(), 1u);
}

}  // namespace
}  // namespace rlhf
