#include "core/rpc/retry_after.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(RetryAfterTest, APauseTravelsWithTheStatus) {
  const absl::Status status = WithRetryAfter(
      absl::ResourceExhaustedError("full"), absl::Microseconds(1500));
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "full");
}

TEST(RetryAfterTest, AStatusWithoutOneHasNone) {
  EXPECT_EQ(RetryAfter(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(RetryAfter(absl::ResourceExhaustedError("full")), std::nullopt);
}

TEST(RetryAfterTest, WhatIsNoPauseIsNone) {
  for (const char* text : {"", "soon", "-1", "1.5", "99999999999999999999"}) {
    absl::Status status = absl::ResourceExhaustedError("full");
    status.SetPayload(kRetryAfterKey, absl::Cord(text));
    EXPECT_EQ(RetryAfter(status), std::nullopt) << text;
  }
  EXPECT_EQ(RetryAfter(
                WithRetryAfter(absl::UnavailableError("x"), -absl::Seconds(1))),
            absl::ZeroDuration());
  EXPECT_EQ(RetryAfter(WithRetryAfter(absl::UnavailableError("x"),
                                      absl::InfiniteDuration())),
            absl::Hours(24));
}

}  // namespace
}  // namespace rlhf
