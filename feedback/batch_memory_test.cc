#include "feedback/batch_memory.h"

#include "feedback/batch/batch_fixtures.h"
#include "feedback/batch_desk_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

class BatchMemoryTest : public BatchDeskFixture {};

TEST_F(BatchMemoryTest, AnExtraAnswerIsKnownAndCountsForNothing) {
  const v1::Comparison usual = FixtureComparison(1, "ada", v1::A_BETTER);
  v1::Comparison extra = FixtureComparison(1, "bob", v1::B_BETTER);
  extra.set_extra(true);
  ASSERT_OK(store_->AppendAll({usual, extra}));
  const BatchLimits limits;
  const GoldAnswers gold;
  BatchMemory memory(store_.get(), &limits, /*min_seconds=*/2, &gold);
  ASSERT_OK(memory.CatchUp());

  const ComparisonIndex& index = *memory.Background().index;
  EXPECT_TRUE(index.HasAnswer(KeyOf(extra)));
  ASSERT_EQ(index.VotesOn(KeyOf(extra).pair).size(), 1u);
  EXPECT_EQ(index.VotesOn(KeyOf(extra).pair)[0].worker, KeyOf(usual).worker);
  EXPECT_EQ(memory.Background().profile->size(), 1u);
}

}  // namespace
}  // namespace rlhf
