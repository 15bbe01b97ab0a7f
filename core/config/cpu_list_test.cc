#include "core/config/cpu_list.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseCpuListTest, TakesCoresAndRangesOnceAndInOrder) {
  ASSERT_OK_AND_ASSIGN(const auto cpus, ParseCpuList("8,0-3,2"));
  EXPECT_THAT(cpus, ElementsAre(0, 1, 2, 3, 8));
  ASSERT_OK_AND_ASSIGN(const auto none, ParseCpuList(""));
  EXPECT_THAT(none, IsEmpty());
}

TEST(ParseCpuListTest, RefusesAnythingElse) {
  for (const char* text : {"a", "1,", "3-1", "-1", "1-", "1--2", "0 1", " 1",
                           "+1", "1024", "1;2"}) {
    EXPECT_THAT(ParseCpuList(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("no list of cores; wanted such as 0-3,8")))
        << text;
  }
}

TEST(ShareOfCpusTest, SharesAreApartAndTogetherAll) {
  EXPECT_THAT(ShareOfCpus({4, 5, 6, 7, 8}, 0, 2), ElementsAre(4, 5));
  EXPECT_THAT(ShareOfCpus({4, 5, 6, 7, 8}, 1, 2), ElementsAre(6, 7, 8));
  EXPECT_THAT(ShareOfCpus({4, 5}, 1, 2), ElementsAre(5));
}

TEST(ShareOfCpusTest, TooFewCoresAreUsedByAll) {
  EXPECT_THAT(ShareOfCpus({4, 5}, 2, 3), ElementsAre(4, 5));
  EXPECT_THAT(ShareOfCpus({}, 0, 2), IsEmpty());
}

}  // namespace
}  // namespace rlhf
