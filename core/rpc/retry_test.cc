#include "core/rpc/retry.h"

#include <cstdlib>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/rpc/retry_after.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(RetryTransientTest, RepeatsWhatMayPassUntilItSucceeds) {
  int calls = 0;
  const absl::StatusOr<int> result =
      RetryTransient(absl::Seconds(10), [&]() -> absl::StatusOr<int> {
        ++calls;
        if (calls < 3) return absl::UnavailableError("not yet");
        return 7;
      });
  ASSERT_OK(result);
  EXPECT_EQ(*result, 7);
  EXPECT_EQ(calls, 3);
}

TEST(RetryTransientTest, ReturnsOtherErrorsAtOnce) {
  int calls = 0;
  const absl::Status status = RetryTransient(absl::Seconds(10), [&] {
    ++calls;
    return absl::InvalidArgumentError("never");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "never"));
  EXPECT_EQ(calls, 1);
}

TEST(RetryPauseTest, GrowsToTwoSecondsUnlessTheServerAsksForAnother) {
  const absl::Status full = absl::ResourceExhaustedError("full");
  EXPECT_EQ(RetryPause(full, 1, 1), absl::Milliseconds(100));
  EXPECT_EQ(RetryPause(full, 2, 1), absl::Milliseconds(200));
  EXPECT_EQ(RetryPause(full, 5, 1), absl::Milliseconds(1600));
  EXPECT_EQ(RetryPause(full, 6, 1), absl::Seconds(2));
  EXPECT_EQ(RetryPause(full, 1'000'000, 0.8), absl::Milliseconds(1600));

  const auto asks = [&](absl::Duration pause) {
    return RetryPause(WithRetryAfter(full, pause), 3, 1);
  };
  EXPECT_EQ(asks(absl::Milliseconds(30)), absl::Milliseconds(30));
  EXPECT_EQ(asks(absl::Seconds(7)), absl::Seconds(7));
  // A server may not put a client off for ever, nor have it spin.
  EXPECT_EQ(asks(absl::Hours(1)), absl::Seconds(10));
  EXPECT_EQ(asks(absl::ZeroDuration()), absl::Milliseconds(1));
}

TEST(RetryPauseTest, JitterIsWithinAFifth) {
  for (int i = 0; i < 1000; ++i) {
    const double jitter = RetryJitter();
    ASSERT_GE(jitter, 0.8);
    ASSERT_LE(jitter, 1.2);
  }
}

// Pauses are 0.1, 0.2, 0.4 s, a fifth more or less: the attempts at 0, 0.1 and
// 0.3 s fit into 0.5 s, the next does not.
TEST(RetryTransientTest, GivesUpWithTheLastErrorWhenTimeIsOver) {
  int calls = 0;
  const Stopwatch watch;
  const absl::Status status = RetryTransient(absl::Milliseconds(500), [&] {
    ++calls;
    return absl::ResourceExhaustedError("full");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_GE(calls, 2);
  EXPECT_LE(calls, 3);
  EXPECT_LT(watch.seconds(), 0.5);
}

TEST(RetryTransientTest, TriesOnceEvenWithoutTime) {
  int calls = 0;
  EXPECT_OK(RetryTransient(absl::ZeroDuration(), [&] {
    ++calls;
    return absl::OkStatus();
  }));
  EXPECT_EQ(calls, 1);
}

// In a process of its own: a request to stop is for good.
TEST(RetryTransientDeathTest, EndsWhenAskedToStop) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        RequestShutdown();
        int calls = 0;
        const absl::Status status = RetryTransient(absl::Seconds(30), [&] {
          ++calls;
          return absl::UnavailableError("gone");
        });
        std::exit(calls == 1 && absl::IsUnavailable(status) ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace rlhf
