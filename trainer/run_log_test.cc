#include "trainer/run_log.h"

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(RunLogTest, ARunThatToldNothingHasNothing) {
  const TempDir run;
  EXPECT_THAT(*ReadUpdates(run.path()), IsEmpty());
  EXPECT_THAT(*ReadPmReports(run.path()), IsEmpty());
}

TEST(RunLogTest, EachUpdateOnceAsItWasToldLast) {
  const TempDir run;
  // The last line is still being written.
  ASSERT_OK(WriteFileAtomically(run / "metrics.jsonl",
                                "{\"update\":\"2\",\"reward_mean\":2}\n"
                                "{\"update\":\"1\",\"reward_mean\":1}\n"
                                "{\"update\":\"2\",\"reward_mean\":3}\n"
                                "{\"update\":\"3\",\"rewa"));
  ASSERT_OK_AND_ASSIGN(const auto updates, ReadUpdates(run.path()));
  ASSERT_THAT(updates, SizeIs(2));
  EXPECT_EQ(updates[0].update(), 1);
  EXPECT_EQ(updates[1].reward_mean(), 3);
}

TEST(RunLogTest, ADamagedLineIsNamed) {
  const TempDir run;
  ASSERT_OK(WriteFileAtomically(run / "pms.jsonl",
                                "{\"num_train\":\"2\"}\nnonsense\n"));
  EXPECT_THAT(ReadPmReports(run.path()),
              StatusIs(StatusCode::kDataLoss, HasSubstr("pms.jsonl:2: ")));
}

}  // namespace
}  // namespace rlhf
