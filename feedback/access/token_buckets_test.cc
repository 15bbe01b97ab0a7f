#include "feedback/access/token_buckets.h"

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

const absl::Duration kNone = absl::ZeroDuration();

TEST(TokenBucketsTest, BurstIsTheCapacityAndThenTheRateRules) {
  FakeClock clock;
  TokenBuckets buckets({.capacity = 3, .per_second = 0.5});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  }
  EXPECT_EQ(buckets.Take("a", clock.Now()), absl::Seconds(2));
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(buckets.Take("a", clock.Now()), absl::Seconds(1));
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  EXPECT_EQ(buckets.Take("a", clock.Now()), absl::Seconds(2));
}

TEST(TokenBucketsTest, OneKeyTakesNothingFromAnother) {
  FakeClock clock;
  TokenBuckets buckets({.capacity = 1, .per_second = 1});
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  EXPECT_GT(buckets.Take("a", clock.Now()), kNone);
  EXPECT_EQ(buckets.Take("b", clock.Now()), kNone);
}

TEST(TokenBucketsTest, RestGivesBackTheCapacityAndNoMore) {
  FakeClock clock;
  TokenBuckets buckets({.capacity = 2, .per_second = 1});
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
  EXPECT_GT(buckets.Take("a", clock.Now()), kNone);
  buckets.GiveBack("a");
  buckets.GiveBack("nobody");
  EXPECT_EQ(buckets.Take("a", clock.Now()), kNone);
}

TEST(TokenBucketsTest, OverAnyTimeNoKeyGetsMoreThanBurstAndRate) {
  FakeClock clock;
  TokenBuckets buckets({.capacity = 5, .per_second = 2});
  int taken = 0;
  for (int i = 0; i < 1000; ++i) {
    if (buckets.Take("a", clock.Now()) == kNone) ++taken;
    clock.Advance(absl::Milliseconds(10));
  }
  EXPECT_LE(taken, 5 + 2 * 10);
  EXPECT_GE(taken, 5 + 2 * 10 - 1);
}

TEST(TokenBucketsTest, ManyKeysAreBoundedAndShareOneBucketBeyondIt) {
  FakeClock clock;
  TokenBuckets buckets({.capacity = 2, .per_second = 1, .max_keys = 10});
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    if (buckets.Take(absl::StrCat(i), clock.Now()) == kNone) ++taken;
  }
  EXPECT_EQ(taken, 10 + 2);
  EXPECT_EQ(buckets.num_keys(), 11u);
  clock.Advance(absl::Seconds(10));
  EXPECT_EQ(buckets.Take("new", clock.Now()), kNone);
  EXPECT_EQ(buckets.num_keys(), 1u) << "full buckets are forgotten";
}

// Sixty times a thirtieth is not quite two.
TEST(TokenBucketsTest, TokenThatIsAllButFullIsTakenOnce) {
  TokenBuckets buckets({.capacity = 1, .per_second = 1.0 / 30});
  absl::Time now = absl::UnixEpoch();
  int num_taken = 0;
  for (int second = 0; second <= 60; ++second) {
    for (int i = 0; i < 3; ++i) {
      num_taken += buckets.Take("ada", now) == absl::ZeroDuration();
    }
    now += absl::Seconds(1);
  }
  EXPECT_EQ(num_taken, 3);
}

}  // namespace
}  // namespace rlhf
