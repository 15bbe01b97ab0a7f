#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ReportVerbTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(
        WriteFileAtomically(folder_ / "run.txtpb",
                            absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                                         "prompts: \"p.jsonl\"\nruns_dir: \"",
                                         folder_.path(), "\"\n")));
  }

  // `rlhf report --config C ARGS`: its exit code; what it prints is in err_.
  int Report(std::vector<std::string> args) {
    args.insert(args.begin(), {"report", "--config", folder_ / "run.txtpb"});
    return RunCaptured(args, out_, err_);
  }

  const TempDir folder_;
  const std::string page_ = folder_ / "report.html";
  std::string out_, err_;
};

TEST_F(ReportVerbTest, WritesAPageOfARunThatHasOnlyBegun) {
  ASSERT_OK(MakeDirectories(folder_ / "a"));
  EXPECT_EQ(Report({"--out", page_}), 0) << err_;
  EXPECT_EQ(out_, page_ + "\n");
  ASSERT_OK_AND_ASSIGN(const std::string page, ReadFile(page_));
  EXPECT_THAT(page, AllOf(HasSubstr("Curves: no update is finished yet"),
                          HasSubstr("there is no preference store")));
  // Looking at a run makes no store.
  EXPECT_FALSE(FileExists(folder_ / "a/feedback"));
}

TEST_F(ReportVerbTest, SaysWhatIsWantedAndWhatIsNotThere) {
  EXPECT_EQ(Report({}), 2);
  EXPECT_THAT(err_, HasSubstr("--out FILE is needed"));
  EXPECT_NE(Report({"--out", page_}), 0);
  EXPECT_THAT(err_, HasSubstr("/a: there is no such run"));
}

TEST_F(ReportVerbTest, ABrokenLogIsNamedAndNoPageIsWritten) {
  ASSERT_OK(MakeDirectories(folder_ / "a"));
  ASSERT_OK(WriteFileAtomically(folder_ / "a/metrics.jsonl", "{]\n"));
  EXPECT_NE(Report({"--out", page_}), 0);
  EXPECT_THAT(err_, HasSubstr("metrics.jsonl:1: "));
  EXPECT_FALSE(FileExists(page_));
}

}  // namespace
}  // namespace rlhf
