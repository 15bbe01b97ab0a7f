#include "feedback/new_updates.h"

#include <string>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(NewUpdatesTest, TellsEachUpdateOnceAsTheFileGrows) {
  const TempDir dir;
  NewUpdates updates(dir / "metrics.jsonl");
  EXPECT_THAT(updates.Read(), IsEmpty()) << "there is no file yet";
  ASSERT_OK(AppendLine(dir / "metrics.jsonl", R"({"update": 1})"));
  ASSERT_EQ(updates.Read().size(), 1u);
  EXPECT_THAT(updates.Read(), IsEmpty());
  ASSERT_OK(AppendLine(dir / "metrics.jsonl",
                       R"({"update": 2, "kl_k1_nats_per_sequence": 3.5})"));
  const auto read = updates.Read();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].update(), 2);
  EXPECT_EQ(read[0].kl_k1_nats_per_sequence(), 3.5);
}

TEST(NewUpdatesTest, ALineThatCannotBeReadIsToldAndPassedOver) {
  const TempDir dir;
  const std::string path = dir / "metrics.jsonl";
  ASSERT_OK(AppendLine(path, R"({"update": 1})"));
  ASSERT_OK(AppendLine(path, R"({"update": )"));
  ASSERT_OK(AppendLine(path, R"({"update": 3})"));
  NewUpdates updates(path);
  testing::internal::CaptureStderr();
  const auto read = updates.Read();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("metrics.jsonl:2 is left out: "));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].update(), 3);
}

}  // namespace
}  // namespace rlhf
