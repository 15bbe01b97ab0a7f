#include "core/comm/local_address.h"

#include "core/base/clock.h"
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

TEST(LocalAddressTest, WhoIsKnownByAnAddressOfItsOwnListensThere) {
  EXPECT_THAT(LocalAddressKnownAs("127.0.1.1", absl::ZeroDuration()),
              IsOkAndHolds("127.0.1.1"));
}

TEST(LocalAddressTest, WhoIsKnownByAnothersListensWhereItSpeaksFrom) {
  // A network that nobody has (RFC 5737): the routing table has an answer where
  // there is a default route, and none else.
  const auto towards = LocalAddressTowards("192.0.2.1");
  const auto known_as = LocalAddressKnownAs("192.0.2.1", absl::ZeroDuration());
  ASSERT_EQ(towards.ok(), known_as.ok());
  if (!towards.ok()) GTEST_SKIP() << "this machine is on no network";
  EXPECT_EQ(*known_as, *towards);
}

TEST(LocalAddressTest, ANameThatIsNeverKnownIsNamedWhenTimeIsOver) {
  const absl::Time began = MonotonicNow();
  EXPECT_THAT(
      LocalAddressKnownAs("no-such-host.invalid", absl::Milliseconds(50)),
      StatusIs(absl::StatusCode::kUnavailable,
               testing::HasSubstr("no-such-host.invalid")));
  EXPECT_GE(MonotonicNow() - began, absl::Milliseconds(50));
}

TEST(LocalAddressTest, PortsAreToldFromAddressesOfColons) {
  EXPECT_EQ(WithPort("10.0.0.7", 7101), "10.0.0.7:7101");
  EXPECT_EQ(WithPort("learner.example", 0), "learner.example:0");
  EXPECT_EQ(WithPort("fd00::7", 7101), "[fd00::7]:7101");
  EXPECT_EQ(WithPort("[fd00::7]", 7101), "[fd00::7]:7101");
}

}  // namespace
}  // namespace rlhf
