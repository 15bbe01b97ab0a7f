#include "trainer/minibatches.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST(MinibatchesTest, EverySampleIsInOne) {
  const auto minibatches = CutIntoMinibatches({0, 2, 3, 5, 9}, 2, /*key=*/1);
  ASSERT_THAT(minibatches, SizeIs(2));
  EXPECT_THAT(minibatches[0], SizeIs(2));
  std::vector<int64_t> all = minibatches[0];
  all.insert(all.end(), minibatches[1].begin(), minibatches[1].end());
  EXPECT_THAT(all, UnorderedElementsAre(0, 2, 3, 5, 9));
}

TEST(MinibatchesTest, TheOrderIsTheKeys) {
  const std::vector<int64_t> samples = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(CutIntoMinibatches(samples, 3, 1),
            CutIntoMinibatches(samples, 3, 1));
  EXPECT_NE(CutIntoMinibatches(samples, 3, 1),
            CutIntoMinibatches(samples, 3, 2));
}

TEST(MinibatchesTest, NoneIsEmpty) {
  EXPECT_THAT(CutIntoMinibatches({4, 7}, 5, 1), SizeIs(2));
  EXPECT_THAT(CutIntoMinibatches({}, 5, 1), SizeIs(0));
}

}  // namespace
}  // namespace rlhf
