#include "core/rpc/retry.h"

#include <cstdlib>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
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

// Pauses are 0.1, 0.2, 0.4 s: attempts at 0, 0.1 and 0.3 s fit into 0.5 s.
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
