#include "core/registry/alias_rules.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(AliasRulesTest, APromotionEndsTheTrialsOfWhatServesNow) {
  Aliases aliases = {{"serving", 1},
                     {"previous", 7},
                     {"shadow", 2},
                     {"canary", 3},
                     {"candidate", 2}};
  EXPECT_OK(PromoteIn(aliases, 2, 1));
  EXPECT_EQ(
      aliases,
      (Aliases{
          {"serving", 2}, {"previous", 1}, {"canary", 3}, {"candidate", 2}}));
}

TEST(AliasRulesTest, WhatIsRefusedChangesNothing) {
  Aliases aliases = {{"serving", 1}, {"shadow", 2}};
  const Aliases before = aliases;
  EXPECT_THAT(PromoteIn(aliases, 2, std::nullopt),
              StatusIs(StatusCode::kAborted,
                       HasSubstr("version 1 serves, expected no version")));
  EXPECT_THAT(RollBackIn(aliases),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("nothing to go back to")));
  EXPECT_EQ(aliases, before);
}

TEST(AliasRulesTest, ARollbackOfARollbackIsAsItWas) {
  Aliases aliases = {{"serving", 2}, {"previous", 1}};
  const Aliases before = aliases;
  EXPECT_THAT(RollBackIn(aliases), IsOkAndHolds(1));
  EXPECT_EQ(FindAlias(aliases, "previous"), 2);
  EXPECT_THAT(RollBackIn(aliases), IsOkAndHolds(2));
  EXPECT_EQ(aliases, before);
}

}  // namespace
}  // namespace rlhf
