#include "feedback/workers/pauses.h"

#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PausesTest, WhatIsWrittenIsReadAgain) {
  const TempDir dir;
  const std::string path = dir / "pauses.json";
  ASSERT_OK_AND_ASSIGN(const PersonsWords none, ReadPersonsWords(path));
  EXPECT_TRUE(none.empty());
  ASSERT_OK(WritePersonsWords(
      path, {{"ada", {true, "rita", "too \"fast\"", 7}}, {"ben", {}}}));
  ASSERT_OK_AND_ASSIGN(const PersonsWords words, ReadPersonsWords(path));
  ASSERT_EQ(words.size(), 2u);
  EXPECT_TRUE(words.at("ada").paused);
  EXPECT_EQ(words.at("ada").by, "rita");
  EXPECT_EQ(words.at("ada").reason, "too \"fast\"");
  EXPECT_EQ(words.at("ada").seq, 7);
  EXPECT_FALSE(words.at("ben").paused);
}

TEST(PausesTest, DamagedFileIsNamedWithTheWorker) {
  const TempDir dir;
  const std::string path = dir / "pauses.json";
  ASSERT_OK(WriteFileAtomically(path, R"({"ada": {"paused": 1}})"));
  EXPECT_THAT(ReadPersonsWords(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("pauses.json"), HasSubstr("\"ada\""),
                             HasSubstr("wanted {\"paused\""))));
  ASSERT_OK(WriteFileAtomically(path, "{"));
  EXPECT_THAT(
      ReadPersonsWords(path),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pauses.json")));
}

}  // namespace
}  // namespace rlhf
