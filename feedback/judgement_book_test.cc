#include "feedback/judgement_book.h"

#include <string>
#include <vector>

#include "feedback/batch_desk_fixtures.h"
#include "feedback/test_comparisons.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What one person said to one question at `ms`.
v1::Comparison Said(const std::string& id, int64_t ms = 0,
                    const std::string& key = "k") {
  v1::Comparison comparison = MakeComparison(id);
  comparison.set_comment(id);
  comparison.set_judgement_key(key);
  comparison.set_judged_unix_ms(ms);
  return comparison;
}

TEST(PlaceJudgementTest, TheLaterIsTheNewer) {
  using enum JudgementPlacing;
  EXPECT_EQ(PlaceJudgement(Said("x", 5), std::nullopt), kNew);
  EXPECT_EQ(PlaceJudgement(Said("x", 5), NewestAnswer{"y", 4}), kNew);
  EXPECT_EQ(PlaceJudgement(Said("x", 5), NewestAnswer{"y", 6}), kOutdated);
  // In one millisecond, or at no known time: as they came.
  EXPECT_EQ(PlaceJudgement(Said("x", 5), NewestAnswer{"y", 5}), kNew);
  EXPECT_EQ(PlaceJudgement(Said("x", 0), NewestAnswer{"y", 6}), kNew);
  EXPECT_EQ(PlaceJudgement(Said("x", 4), NewestAnswer{"x", 6}), kSame);
  EXPECT_EQ(PlaceJudgement(Said("x", 7), NewestAnswer{"x-r2", 6}), kSame);
}

TEST(BaseComparisonIdTest, OnlyANumberAtTheEndIsARevision) {
  EXPECT_EQ(BaseComparisonId("import-ab-r12"), "import-ab");
  EXPECT_EQ(BaseComparisonId("import-ab"), "import-ab");
  EXPECT_EQ(BaseComparisonId("import-r"), "import-r");
  EXPECT_EQ(BaseComparisonId("import-r2d2"), "import-r2d2");
}

class JudgementBookTest : public BatchDeskFixture {
 protected:
  // Ids under which they went into the log.
  std::vector<std::string> Take(std::vector<v1::Comparison> comparisons) {
    EXPECT_OK(book_.Arrange(comparisons));
    EXPECT_OK(store_->AppendAll(comparisons));
    EXPECT_OK(book_.ReplaceOlder());
    std::vector<std::string> ids;
    for (const v1::Comparison& one : comparisons) {
      ids.push_back(one.comparison_id());
    }
    return ids;
  }

  // Ids of what stands.
  std::vector<std::string> Standing() {
    std::vector<std::string> ids;
    const auto rows = store_->Read(1, 1000);
    for (const v1::Comparison& row : *rows) {
      if (row.choice() != v1::RETRACTED) ids.push_back(row.comparison_id());
    }
    return ids;
  }

  JudgementBook book_{store_.get()};
};

TEST_F(JudgementBookTest, TheNewerTakesThePlaceOfTheOlder) {
  Take({Said("x")});
  Take({Said("y"), Said("z", 0, "of another")});
  EXPECT_THAT(Standing(), ElementsAre("y", "z"));
  ASSERT_OK_AND_ASSIGN(const auto old, store_->Find("x"));
  EXPECT_EQ(old->replaced_by(), 2);
  EXPECT_EQ(old->comment(), "");
  ASSERT_OK_AND_ASSIGN(const auto records, store_->ReadRetractions(1, 10));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].replaced_by(), 2);
  EXPECT_EQ(store_->GetStats().num_replaced, 1);
  EXPECT_EQ(store_->GetStats().num_by_worker.at("ada"), 2);
  EXPECT_OK(store_->VerifyChain());
}

TEST_F(JudgementBookTest, ChangedBackItIsANewerAnswer) {
  Take({Said("x")});
  Take({Said("y")});
  EXPECT_THAT(Take({Said("x")}), ElementsAre("x-r2"));
  EXPECT_THAT(Take({Said("x")}), ElementsAre("x-r2")) << "came again";
  EXPECT_THAT(Take({Said("y")}), ElementsAre("y-r2"));
  EXPECT_THAT(Take({Said("x")}), ElementsAre("x-r3"));
  EXPECT_THAT(Standing(), ElementsAre("x-r3"));
  EXPECT_OK(store_->VerifyChain());
}

TEST_F(JudgementBookTest, ChangesThatComeTogetherAreTakenInOrder) {
  EXPECT_THAT(Take({Said("x"), Said("y"), Said("x")}),
              ElementsAre("x", "y", "x-r2"));
  EXPECT_THAT(Standing(), ElementsAre("x-r2"));
  // The first of these is newer than what stands, and the second is newer yet.
  Take({Said("y"), Said("x")});
  EXPECT_THAT(Standing(), ElementsAre("x-r3"));
}

TEST_F(JudgementBookTest, WhatIsOlderIsLeftOut) {
  Take({Said("y", 20)});
  EXPECT_THAT(Take({Said("x", 10)}), IsEmpty());
  EXPECT_THAT(Take({Said("z", 30), Said("w", 25)}), ElementsAre("z"));
  EXPECT_THAT(Standing(), ElementsAre("z"));
}

// Clocks do not tell which of two was first: the one that came last stands, and
// that it comes again, also behind an older one, is no news.
TEST_F(JudgementBookTest, AtTheSameTimeARetryOfTheNewestIsTheSame) {
  Take({Said("x", 5)});
  Take({Said("y", 5)});
  ASSERT_OK_AND_ASSIGN(const auto placings,
                       book_.PlacingsOf({Said("y", 5), Said("x", 4)}));
  EXPECT_THAT(placings, ElementsAre(JudgementPlacing::kSame,
                                    JudgementPlacing::kOutdated));
  EXPECT_THAT(Take({Said("x", 4), Said("y", 5), Said("y", 5)}),
              ElementsAre("y", "y"));
  EXPECT_THAT(Standing(), ElementsAre("y"));
  EXPECT_EQ(store_->GetStats().num_comparisons, 2) << "nothing is new";
  EXPECT_EQ(store_->GetStats().num_replaced, 1);
  // In the other order: what came first is then the one that came last.
  EXPECT_THAT(Take({Said("y", 5), Said("x", 5), Said("x", 5)}),
              ElementsAre("y", "x-r2", "x-r2"));
  EXPECT_THAT(Take({Said("x", 5)}), ElementsAre("x-r2"));
  EXPECT_THAT(Standing(), ElementsAre("x-r2"));
}

TEST_F(JudgementBookTest, WithoutAKeyBothStand) {
  Take({Said("x", 0, ""), Said("y", 0, "")});
  EXPECT_THAT(Standing(), ElementsAre("x", "y"));
}

TEST_F(JudgementBookTest, CutOffBeforeTheOlderEndedTheNextUseEndsIt) {
  ASSERT_OK(store_->AppendAll({Said("x"), Said("y")}));
  JudgementBook later(store_.get());
  ASSERT_OK_AND_ASSIGN(const auto placings,
                       later.PlacingsOf({Said("y"), Said("x")}));
  EXPECT_THAT(placings,
              ElementsAre(JudgementPlacing::kSame, JudgementPlacing::kNew));
  EXPECT_THAT(Standing(), ElementsAre("y"));
}

TEST_F(JudgementBookTest, WhatAPersonTookBackIsNotBroughtBackByAChange) {
  Take({Said("x")});
  ASSERT_OK(store_->Retract({.comparison_ids = {"x"}}, "asked to", "grace"));
  Take({Said("y")});
  EXPECT_THAT(Take({Said("x")}), ElementsAre("x"));
  EXPECT_THAT(Standing(), ElementsAre("y"));
  EXPECT_EQ(store_->Find("x")->value().replaced_by(), 0);
}

}  // namespace
}  // namespace rlhf
