#include "core/config/address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

TEST(CheckAddressTest, TakesEveryLoopbackHost) {
  for (const char* address :
       {"127.0.0.1:7101", "127.8.9.10:1", "localhost:0", "[::1]:65535"}) {
    EXPECT_OK(CheckAddress(address, /*has_tls=*/false)) << address;
  }
}

TEST(CheckAddressTest, SaysWhyOtherHostsAreRefused) {
  for (const char* address :
       {"0.0.0.0:7101", "10.0.0.7:7101", "[::]:7101", "example.com:7101",
        "127.0.0.1.example.com:7101", "127.example.com:7101", "127.1:7101"}) {
    EXPECT_THAT(CheckAddress(address, /*has_tls=*/false),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(address), HasSubstr("loopback"),
                               HasSubstr("TLS"), HasSubstr("127.0.0.1"))));
  }
}

TEST(CheckAddressTest, TakesEveryHostWithCertificates) {
  for (const char* address : {"0.0.0.0:7101", "10.0.0.7:7101", "[::]:0",
                              "learner.example.com:7101", "127.0.0.1:7101"}) {
    EXPECT_OK(CheckAddress(address, /*has_tls=*/true)) << address;
  }
  for (const char* address : {"", "10.0.0.7", ":7101", "10.0.0.7:65536"}) {
    EXPECT_THAT(CheckAddress(address, /*has_tls=*/true),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("HOST:PORT, such as 127.0.0.1:7101")))
        << address;
  }
}

TEST(CheckPageAddressTest, SendsOtherHostsToAProxy) {
  EXPECT_OK(CheckPageAddress("127.0.0.1:7180"));
  EXPECT_THAT(CheckPageAddress("0.0.0.0:7180"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"0.0.0.0:7180\""), HasSubstr("proxy"),
                             HasSubstr("127.0.0.1"))));
}

TEST(CheckAddressTest, SaysWhatAnAddressLooksLike) {
  for (const char* address :
       {"", "127.0.0.1", ":7101", "127.0.0.1:", "127.0.0.1:http",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80", "127.0.0.1:80 "}) {
    EXPECT_THAT(CheckAddress(address, /*has_tls=*/false),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("HOST:PORT, such as 127.0.0.1:7101")))
        << address;
  }
}

TEST(SplitAddressesTest, GivesEachReplicaInOrder) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> addresses,
                       SplitAddresses("127.0.0.1:7103, [::1]:7113", false));
  EXPECT_THAT(addresses, testing::ElementsAre("127.0.0.1:7103", "[::1]:7113"));
  EXPECT_EQ(FirstAddress("127.0.0.1:7103, [::1]:7113"), "127.0.0.1:7103");
  EXPECT_EQ(FirstAddress("127.0.0.1:7103"), "127.0.0.1:7103");
}

TEST(SplitAddressesTest, TakesReplicasOnOtherHostsWithCertificates) {
  ASSERT_OK_AND_ASSIGN(
      const std::vector<std::string> addresses,
      SplitAddresses("10.0.0.7:7103,rewards-2:7103", /*has_tls=*/true));
  EXPECT_EQ(addresses.size(), 2);
}

TEST(SplitAddressesTest, RefusesWhatIsNoListOfDifferentLoopbackAddresses) {
  for (const char* addresses : {"", "127.0.0.1:7103,", ",127.0.0.1:7103"}) {
    EXPECT_THAT(SplitAddresses(addresses, false),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")))
        << addresses;
  }
  EXPECT_THAT(SplitAddresses("127.0.0.1:7103,10.0.0.7:7103", false),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("TLS")));
  EXPECT_THAT(SplitAddresses("127.0.0.1:7103,127.0.0.1:7103", false),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"127.0.0.1:7103\" stands twice")));
}

}  // namespace
}  // namespace rlhf
