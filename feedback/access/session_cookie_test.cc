#include "feedback/access/session_cookie.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(SessionCookieTest, IsOutOfReachOfScriptsOtherSitesAndPlainHttp) {
  EXPECT_EQ(SessionCookie("abc", absl::Hours(1), /*is_https=*/true),
            "__Host-rlhf=abc; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; "
            "Secure");
  EXPECT_EQ(SessionCookie("abc", absl::Hours(1), /*is_https=*/false),
            "rlhf=abc; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict");
  EXPECT_EQ(NoSessionCookie(/*is_https=*/false),
            "rlhf=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
}

TEST(SessionCookieTest, IsFoundAmongOthersByItsWholeName) {
  EXPECT_EQ(SessionIdFromCookies("a=b; rlhf=abc;c=d", false), "abc");
  EXPECT_EQ(SessionIdFromCookies("rlhf2=x; xrlhf=y", false), "");
  EXPECT_EQ(SessionIdFromCookies("rlhf=abc", true), "");
  EXPECT_EQ(SessionIdFromCookies("__Host-rlhf=abc", true), "abc");
  EXPECT_EQ(SessionIdFromCookies("", false), "");
}

}  // namespace
}  // namespace rlhf
