#include "core/comm/local_address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(LocalAddressTest, LoopbackIsReachedFromLoopback) {
  EXPECT_THAT(LocalAddressTowards("127.0.0.1"), IsOkAndHolds("127.0.0.1"));
  // Another machine's, from its view: not that machine's address but ours.
  EXPECT_THAT(LocalAddressTowards("127.0.0.9"), IsOkAndHolds("127.0.0.1"));
}

TEST(LocalAddressTest, AHostThatDoesNotExistIsNamed) {
  EXPECT_THAT(LocalAddressTowards("no-such-host.invalid"),
              StatusIs(absl::StatusCode::kUnavailable,
                       testing::HasSubstr("no-such-host.invalid")));
}

}  // namespace
}  // namespace rlhf
