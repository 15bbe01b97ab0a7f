#include "core/rpc/role_uri.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

TEST(RoleUriTest, ARoleIsReadBack) {
  EXPECT_EQ(RoleUri("quickstart", "learner"), "rlhf://quickstart/learner");
  EXPECT_THAT(
      RoleOf({"https://example.com/learner", "rlhf://quickstart/reward-server"},
             "quickstart"),
      IsOkAndHolds("reward-server"));
}

TEST(RoleUriTest, ACertificateNamesExactlyOneRole) {
  EXPECT_THAT(RoleOf({}, "r"), StatusIs(StatusCode::kUnauthenticated,
                                        AllOf(HasSubstr("names 0 roles"),
                                              HasSubstr("rlhf://r/ROLE"))));
  EXPECT_THAT(RoleOf({"spiffe://r/learner"}, "r"),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("0 roles")));
  EXPECT_THAT(RoleOf({"rlhf://r/learner", "rlhf://r/actor"}, "r"),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("2 roles")));
}

TEST(RoleUriTest, ARoleOfAnotherRunIsNoneHere) {
  for (const char* const uri :
       {"rlhf://other/learner", "rlhf://r", "rlhf://r/", "rlhf:///learner",
        "rlhf://r/learner/2", "rlhf://rr/learner"}) {
    EXPECT_THAT(RoleOf({uri}, "r"),
                StatusIs(StatusCode::kUnauthenticated,
                         AllOf(HasSubstr(uri), HasSubstr("rlhf://r/ROLE"))));
  }
}

}  // namespace
}  // namespace rlhf
