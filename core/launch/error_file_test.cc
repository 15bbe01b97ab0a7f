#include "core/launch/error_file.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

// Field by field what torch.distributed.elastic's ErrorHandler writes and its
// ProcessFailure reads.
TEST(ErrorRecordTest, HasTorchelasticsFields) {
  ASSERT_OK_AND_ASSIGN(
      const Json record,
      ParseJson(ErrorRecord("rank 1 \"died\"\n", absl::FromUnixSeconds(1234))));
  EXPECT_EQ(record["message"]["message"], "rank 1 \"died\"\n");
  EXPECT_EQ(record["message"]["extraInfo"]["timestamp"], "1234");
  EXPECT_TRUE(record["message"]["extraInfo"]["py_callstack"].is_string());
}

TEST(WriteErrorFileTest, WritesWhereTorchrunSays) {
  const TempDir dir;
  WriteErrorFile({{"TORCHELASTIC_ERROR_FILE", dir / "error.json"}}, "no model");
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(dir / "error.json"));
  ASSERT_OK_AND_ASSIGN(const Json record, ParseJson(text));
  EXPECT_EQ(record["message"]["message"], "no model");
}

TEST(WriteErrorFileTest, NobodyAskedNothingWritten) {
  WriteErrorFile({}, "no model");
  WriteErrorFile({{"TORCHELASTIC_ERROR_FILE", ""}}, "no model");
  WriteErrorFile({{"TORCHELASTIC_ERROR_FILE", "/dev/null"}}, "no model");
  // A file in its place would have been.
  ASSERT_OK_AND_ASSIGN(const std::string nothing, ReadFile("/dev/null"));
  EXPECT_EQ(nothing, "");
}

TEST(WriteErrorFileTest, AFolderThatIsGoneHidesNoFailure) {
  WriteErrorFile({{"TORCHELASTIC_ERROR_FILE", "/no/such/folder/error.json"}},
                 "no model");
}

}  // namespace
}  // namespace rlhf
