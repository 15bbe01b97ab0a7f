#include "core/config/address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

TEST(CheckLoopbackTest, TakesEveryLoopbackHost) {
  for (const char* address :
       {"127.0.0.1:7101", "127.8.9.10:1", "localhost:0", "[::1]:65535"}) {
    EXPECT_OK(CheckLoopback(address)) << address;
  }
}

TEST(CheckLoopbackTest, SaysWhyOtherHostsAreRefused) {
  for (const char* address :
       {"0.0.0.0:7101", "10.0.0.7:7101", "[::]:7101", "example.com:7101",
        "127.0.0.1.example.com:7101", "127.example.com:7101", "127.1:7101"}) {
    EXPECT_THAT(CheckLoopback(address),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(address), HasSubstr("loopback"),
                               HasSubstr("TLS"), HasSubstr("127.0.0.1"))));
  }
}

TEST(CheckLoopbackTest, SaysWhatAnAddressLooksLike) {
  for (const char* address :
       {"", "127.0.0.1", ":7101", "127.0.0.1:", "127.0.0.1:http",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80", "127.0.0.1:80 "}) {
    EXPECT_THAT(CheckLoopback(address),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("HOST:PORT, such as 127.0.0.1:7101")))
        << address;
  }
}

TEST(SplitAddressesTest, GivesEachReplicaInOrder) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> addresses,
                       SplitAddresses("127.0.0.1:7103, [::1]:7113"));
  EXPECT_THAT(addresses, testing::ElementsAre("127.0.0.1:7103", "[::1]:7113"));
  EXPECT_EQ(FirstAddress("127.0.0.1:7103, [::1]:7113"), "127.0.0.1:7103");
  EXPECT_EQ(FirstAddress("127.0.0.1:7103"), "127.0.0.1:7103");
}

TEST(SplitAddressesTest, RefusesWhatIsNoListOfDifferentLoopbackAddresses) {
  for (const char* addresses : {"", "127.0.0.1:7103,", ",127.0.0.1:7103"}) {
    EXPECT_THAT(SplitAddresses(addresses),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")))
        << addresses;
  }
  EXPECT_THAT(SplitAddresses("127.0.0.1:7103,10.0.0.7:7103"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("TLS")));
  EXPECT_THAT(SplitAddresses("127.0.0.1:7103,127.0.0.1:7103"),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"127.0.0.1:7103\" stands twice")));
}

}  // namespace
}  // namespace rlhf
