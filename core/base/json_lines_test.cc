#include "core/base/json_lines.h"

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

TEST(JsonLinesTailTest, GivesEachCompleteLineOnce) {
  const TempDir dir;
  JsonLinesTail tail(dir / "lines");
  EXPECT_THAT(tail.NewLines(), ElementsAre());
  ASSERT_OK(WriteFileAtomically(dir / "lines", "a\nb\nhal"));
  EXPECT_THAT(tail.NewLines(), ElementsAre("a", "b"));
  EXPECT_THAT(tail.NewLines(), ElementsAre());
  ASSERT_OK(WriteFileAtomically(dir / "lines", "a\nb\nhalf\n"));
  EXPECT_THAT(tail.NewLines(), ElementsAre("half"));
}

}  // namespace
}  // namespace rlhf
