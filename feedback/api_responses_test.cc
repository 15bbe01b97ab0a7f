#include "feedback/api_responses.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ApiResponsesTest, FaultsOfThisMachineDoNotTellItsFolders) {
  for (const auto& status :
       {absl::ResourceExhaustedError("cannot write /srv/run/a.db: no space"),
        absl::DataLossError("cannot write \"/srv/run/a.db\""),
        absl::UnavailableError("/srv/run/a.db: disk I/O error")}) {
    const HttpResponse response = ErrorResponse(status);
    EXPECT_GE(response.status, 500);
    EXPECT_THAT(response.body, HasSubstr("a.db"));
    EXPECT_THAT(response.body, Not(HasSubstr("/srv"))) << response.body;
  }
}

TEST(ApiResponsesTest, TextWithoutPathsStaysAsItIs) {
  for (const char* text :
       {"", "try again in 1/2 s", "GET /api/session says; what",
        "disk I/O error", "a, b: c"}) {
    EXPECT_EQ(WithoutFolders(text), text);
  }
  EXPECT_EQ(WithoutFolders("/a/b.c, (/d/e) at /f/g:"), "b.c, (e) at g:");
}

TEST(ApiResponsesTest, WhatTheCallerGotWrongIsQuotedInFull) {
  EXPECT_THAT(ErrorResponse(absl::InvalidArgumentError("/x/y is no name")).body,
              HasSubstr("/x/y"));
}

}  // namespace
}  // namespace rlhf
