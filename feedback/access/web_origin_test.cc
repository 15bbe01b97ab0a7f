#include "feedback/access/web_origin.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

constexpr char kPublic[] = "https://label.example.org";

absl::Status CheckOrigin(const std::string& origin) {
  v1::AccessConfig config;
  config.set_require_login(true);
  config.set_public_origin(origin);
  return CheckPublicOrigin(config);
}

TEST(WebOriginTest, PublicOriginIsHttpsAndAHostAndNothingElse) {
  EXPECT_OK(CheckOrigin(kPublic));
  EXPECT_OK(CheckOrigin("https://label.example.org:8443"));
  for (const char* bad :
       {"http://label.example.org", "https://", "label.example.org",
        "https://label.example.org/", "https://label.example.org/page",
        "https://Label.example.org", "https://a b", "https://u@host",
        "https://a:b:c", "https://:8443", "https://..", "https://a.",
        "https://a:", "https://a:0", "https://a:65536", "https://a:08443",
        "https://a:b", "https://a:+1"}) {
    EXPECT_THAT(CheckOrigin(bad), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("public_origin")))
        << bad;
  }
}

TEST(WebOriginTest, PublicOriginLeavesOutThePortThatBrowsersLeaveOut) {
  EXPECT_THAT(CheckOrigin("https://label.example.org:443"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("leave \":443\" out")));
  EXPECT_OK(CheckOrigin("https://localhost:4430"));
}

TEST(WebOriginTest, HostIsTheLoopbackOrThePublicOne) {
  for (const char* host :
       {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:7180"}) {
    EXPECT_TRUE(IsOwnHost(host, "")) << host;
    EXPECT_TRUE(IsOwnHost(host, kPublic)) << host;
  }
  EXPECT_TRUE(IsOwnHost("label.example.org", kPublic));
  EXPECT_TRUE(IsOwnHost("LABEL.example.org", kPublic));
  EXPECT_FALSE(IsOwnHost("label.example.org", ""));
  for (const char* host :
       {"", "evil.example", "label.example.org.evil.example",
        "label.example.org:81", "127.0.0.1.evil.example", "[::2]"}) {
    EXPECT_FALSE(IsOwnHost(host, kPublic)) << host;
  }
}

TEST(WebOriginTest, OriginIsThePublicPageOrTheLoopbackPageOfTheSameAddress) {
  EXPECT_TRUE(IsOwnOrigin(kPublic, "label.example.org", kPublic));
  EXPECT_TRUE(IsOwnOrigin("http://127.0.0.1:7180", "127.0.0.1:7180", kPublic));
  EXPECT_TRUE(IsOwnOrigin("http://localhost:7180", "localhost:7180", ""));
  for (const char* origin :
       {"null", "", "http://label.example.org", "https://evil.example",
        "https://label.example.org:444", "https://label.example.org.evil"}) {
    EXPECT_FALSE(IsOwnOrigin(origin, "label.example.org", kPublic)) << origin;
  }
  EXPECT_FALSE(IsOwnOrigin("http://127.0.0.1:81", "127.0.0.1:7180", kPublic))
      << "another server of this machine";
}

TEST(WebOriginTest, AddressesOfOneHouseholdAreOne) {
  EXPECT_EQ(AddressKey("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(AddressKey("2001:db8::1"), AddressKey("2001:db8::ffff"));
  EXPECT_NE(AddressKey("2001:db8::1"), AddressKey("2001:db8:0:1::1"));
  EXPECT_EQ(AddressKey("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(AddressKey("::ffff:c000:207"), "192.0.2.7");
  EXPECT_EQ(AddressKey(""), "unknown");
  EXPECT_EQ(AddressKey("192.0.2.7, 10.0.0.1"), "unknown");
}

}  // namespace
}  // namespace rlhf
