#include "tests/testing/status_matchers.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::DescribeMatcher;
using testing::HasSubstr;
using testing::Not;

const absl::Status kAbsent = absl::NotFoundError("no file");

TEST(StatusMatchersTest, CodeAndMessageMustMatch) {
  EXPECT_THAT(kAbsent, StatusIs(absl::StatusCode::kNotFound, "no file"));
  EXPECT_THAT(absl::StatusOr<int>(kAbsent),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("file")));
  EXPECT_THAT(kAbsent,
              Not(StatusIs(absl::StatusCode::kUnavailable, "no file")));
  EXPECT_THAT(kAbsent, Not(StatusIs(absl::StatusCode::kNotFound, "no")));
}

TEST(StatusMatchersTest, OnlyAnOkStatusIsOk) {
  EXPECT_OK(absl::OkStatus());
  EXPECT_OK(absl::StatusOr<int>(1));
  EXPECT_THAT(kAbsent, Not(IsOk()));
}

TEST(StatusMatchersTest, DescribeThemselvesInWords) {
  const auto matcher =
      StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("a"), "ab"));
  EXPECT_EQ(DescribeMatcher<absl::Status>(matcher),
            "is a NOT_FOUND whose message (has substring \"a\") and (is equal "
            "to \"ab\")");
  EXPECT_THAT(DescribeMatcher<absl::Status>(Not(matcher)),
              HasSubstr("is no NOT_FOUND whose message"));
  EXPECT_EQ(DescribeMatcher<absl::Status>(Not(IsOk())), "is an error");
}

TEST(StatusMatchersTest, AStatusOrIsPrintedAsItsStatus) {
  EXPECT_EQ(testing::PrintToString(absl::StatusOr<int>(kAbsent)),
            "NOT_FOUND: no file");
  EXPECT_EQ(testing::PrintToString(absl::StatusOr<int>(1)), "OK");
}

}  // namespace
}  // namespace rlhf
