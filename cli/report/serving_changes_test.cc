#include "cli/report/serving_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::SizeIs;

Transition Move(Aliases aliases) {
  return {.cause = {.by = "gate", .reason = "good"},
          .aliases = std::move(aliases)};
}

TEST(ServingChangesTest, OnlyWhatMovesTheServingAliasCounts) {
  const auto changes = ServingChanges(
      {Move({{"candidate", 1}}), Move({{"candidate", 1}, {"serving", 1}}),
       Move({{"candidate", 2}, {"serving", 1}, {"shadow", 2}}),
       Move({{"serving", 2}, {"previous", 1}})});
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].from, 0);
  EXPECT_EQ(changes[0].to, 1);
  EXPECT_EQ(changes[1].from, 1);
  EXPECT_EQ(changes[1].to, 2);
  EXPECT_FALSE(changes[1].taken_back);
}

TEST(ServingChangesTest, WhenServingAndPreviousChangePlacesItWasTakenBack) {
  const auto changes = ServingChanges(
      {Move({{"serving", 1}}), Move({{"serving", 2}, {"previous", 1}}),
       Move({{"serving", 1}, {"previous", 2}}),
       Move({{"serving", 3}, {"previous", 1}})});
  ASSERT_THAT(changes, SizeIs(4));
  EXPECT_FALSE(changes[0].taken_back);
  EXPECT_TRUE(changes[2].taken_back);
  EXPECT_FALSE(changes[3].taken_back);
}

}  // namespace
}  // namespace rlhf
