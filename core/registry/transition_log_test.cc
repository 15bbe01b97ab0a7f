#include "core/registry/transition_log.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

class TransitionLogTest : public testing::Test {
 protected:
  void Append(int64_t version) {
    ASSERT_OK(log_.Append({{"serving", version}},
                          {.by = "gate", .reason = "better"},
                          absl::FromUnixSeconds(1000 + version)));
  }

  std::string Text() { return ReadFile(path_).value_or(""); }

  // Expects that the log with `text` in its file is refused at `line`.
  void ExpectRefused(const std::string& text, int line,
                     const std::string& why) {
    ASSERT_NE(text, Text());
    ASSERT_OK(WriteFileAtomically(path_, text));
    EXPECT_THAT(log_.ReadAll().status(),
                StatusIs(StatusCode::kDataLoss,
                         AllOf(HasSubstr(absl::StrCat(path_, ":", line, ":")),
                               HasSubstr(why))));
  }

  const TempDir folder_;
  const std::string path_ = folder_ / "transitions.jsonl";
  const TransitionLog log_{folder_.path()};
};

TEST_F(TransitionLogTest, TheLastRecordHolds) {
  EXPECT_THAT(log_.Current(), IsOkAndHolds(Aliases()));
  Append(1);
  Append(2);
  EXPECT_THAT(log_.Current(), IsOkAndHolds(Aliases{{"serving", 2}}));
  ASSERT_OK_AND_ASSIGN(const std::vector<Transition> all, log_.ReadAll());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].seq, 1);
  EXPECT_EQ(all[1].seq, 2);
  EXPECT_EQ(all[1].time, absl::FromUnixSeconds(1002));
  EXPECT_EQ(all[1].cause.by, "gate");
  EXPECT_EQ(all[1].cause.reason, "better");
}

TEST_F(TransitionLogTest, ARecordThatACrashCutShortWasNeverWritten) {
  Append(1);
  Append(2);
  const std::string whole = Text();
  const size_t second = whole.find('\n') + 1;
  for (size_t size = second; size < whole.size(); size += 7) {
    ASSERT_OK(WriteFileAtomically(path_, whole.substr(0, size)));
    EXPECT_THAT(log_.Current(), IsOkAndHolds(Aliases{{"serving", 1}})) << size;
  }
  Append(3);
  EXPECT_THAT(log_.Current(), IsOkAndHolds(Aliases{{"serving", 3}}));
  ASSERT_OK_AND_ASSIGN(const auto all, log_.ReadAll());
  EXPECT_EQ(all.size(), 2u);
}

TEST_F(TransitionLogTest, WhatWasChangedIsSeen) {
  for (const int64_t version : {1, 2, 3}) Append(version);
  const std::string text = Text();
  ExpectRefused(absl::StrReplaceAll(text, {{"\"serving\":2", "\"serving\":1"}}),
                2, "signature");
}

TEST_F(TransitionLogTest, WhatWasTakenOutIsSeen) {
  for (const int64_t version : {1, 2, 3}) Append(version);
  std::vector<std::string> lines = absl::StrSplit(Text(), '\n');
  ExpectRefused(absl::StrCat(lines[0], "\n", lines[2], "\n"), 2,
                "the record before it");
}

TEST_F(TransitionLogTest, ARecordSignedWithAnotherKeyIsSeen) {
  Append(1);
  const std::string mine = Text();
  ASSERT_OK(RemoveAll(folder_ / "key.pem"));
  Append(2);
  EXPECT_THAT(
      log_.ReadAll().status(),
      StatusIs(StatusCode::kDataLoss, HasSubstr("signed with another key")));
}

}  // namespace
}  // namespace rlhf
