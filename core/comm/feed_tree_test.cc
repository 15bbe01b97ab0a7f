#include "core/comm/feed_tree.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Versions have ten buckets of 100 bytes. Receiver "a" sends on at "a:1".
class FeedTreeTest : public testing::Test {
 protected:
  FeedTreeTest() { tree_.Begin(kBuckets); }

  static constexpr int kBuckets = 10;

  static FeedReport Has(const std::string& receiver, int num_buckets) {
    return {.receiver = receiver,
            .address = receiver + ":1",
            .num_buckets = num_buckets,
            .num_bytes = static_cast<uint64_t>(num_buckets) * 100};
  }
  std::string Report(const std::string& receiver, int num_buckets) {
    return tree_.Report(Has(receiver, num_buckets), now_);
  }
  std::string Failed(const std::string& receiver, int num_buckets,
                     const std::string& source) {
    FeedReport report = Has(receiver, num_buckets);
    report.failed_source = source;
    return tree_.Report(report, now_);
  }
  int NumFed(const std::string& address) const {
    return tree_.NumFed(address, now_);
  }
  void Pass(absl::Duration time) { now_ += time; }

  FeedTree tree_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(FeedTreeTest, TheLearnerFeedsTwoAndTheyFeedTheNext) {
  EXPECT_EQ(Report("a", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("b", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("c", 0), "a:1");
  EXPECT_EQ(Report("d", 0), "b:1");
  EXPECT_EQ(Report("e", 0), "a:1");
  EXPECT_EQ(Report("f", 0), "b:1");
  // Both are full, and so is the learner.
  EXPECT_EQ(Report("g", 0), "c:1");
  EXPECT_EQ(NumFed(FeedTree::kLearner), 2);
  EXPECT_EQ(NumFed("a:1"), 2);
}

TEST_F(FeedTreeTest, AReceiverKeepsItsSource) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Report("a", kBuckets);
  EXPECT_EQ(Report("c", 3), "a:1");
}

TEST_F(FeedTreeTest, WhoeverHasItAllMakesRoom) {
  Report("a", 0);
  Report("b", 0);
  Report("a", kBuckets);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 1);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, OneThatHasLessIsNoSource) {
  Report("a", 1);
  Report("b", 4);
  EXPECT_EQ(Report("c", 3), "b:1");
  // The learner has everything.
  EXPECT_EQ(Report("d", 5), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, AFailedSourceIsLeftForAnother) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  EXPECT_EQ(Failed("c", 2, "a:1"), FeedTree::kLearner);  // nobody has more
  Report("b", 2);
  EXPECT_EQ(Failed("c", 2, ":7"), "b:1");
  // a is not asked again for this version, whatever it says of itself.
  Report("a", kBuckets);
  EXPECT_EQ(Report("x", 0), FeedTree::kLearner);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 2);
  EXPECT_EQ(Failed("c", 2, "b:1"), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, WhoFailedSomebodyIsOfferedAgainOnceItReports) {
  Report("a", 0);
  Report("b", 0);
  Report("c", 0);  // from a
  Failed("c", 0, "a:1");
  EXPECT_EQ(Report("d", 0), "b:1");
  // b is full, and c is next to it.
  EXPECT_EQ(Report("e", 0), "c:1");
  Report("a", 1);
  EXPECT_EQ(Report("f", 0), "a:1");
}

TEST_F(FeedTreeTest, TheDeadAreForgottenAfterASilence) {
  Report("a", 0);
  Report("b", 0);
  Pass(absl::Seconds(11));
  EXPECT_EQ(NumFed(FeedTree::kLearner), 0);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("d", 0), FeedTree::kLearner);
  // Not from a or b.
  EXPECT_EQ(Report("e", 0), "c:1");
}

TEST_F(FeedTreeTest, OneThatStandsStillTakesNobodysPlaceAndFeedsNobody) {
  Report("a", 0);
  Report("b", 0);
  Pass(absl::Seconds(3));
  Report("a", 0);  // alive, but nothing came
  Report("b", 5);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 1);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("d", 0), "b:1");
  EXPECT_EQ(Report("e", 0), "c:1");
}

TEST_F(FeedTreeTest, OneThatIsSlowTakesNobodysPlaceAndFeedsNobody) {
  Report("a", 0);
  Report("b", 0);
  Pass(absl::Seconds(1));
  Report("b", 9);
  Report("a", 1);  // moves, at a ninth of b's pace
  EXPECT_EQ(NumFed(FeedTree::kLearner), 1);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("d", 0), "b:1");
}

TEST_F(FeedTreeTest, NobodyStaysWithARelayThatIsSlow) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Pass(absl::Seconds(1));
  Report("a", 1);
  EXPECT_EQ(Report("c", 1), "a:1");  // none is known to be faster
  Report("b", 9);
  EXPECT_EQ(Report("c", 1), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, NorWithOneThatStandsStill) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Pass(absl::Seconds(3));
  Report("b", 1);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, ARelayThatHasItAllMayBeSilent) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Report("a", kBuckets);
  Pass(absl::Minutes(1));
  EXPECT_EQ(Report("c", 5), "a:1");
}

TEST_F(FeedTreeTest, TheLearnerGetsAPlaceMoreIfItThenSendsMore) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Pass(absl::Seconds(1));
  Report("a", 1);
  Report("b", 1);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);  // the trial
  Pass(absl::Seconds(0.6));
  Report("c", 1);
  Pass(absl::Seconds(0.7));
  Report("a", 2);
  Report("b", 2);
  Report("c", 2);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 3);
  Report("a", kBuckets);
  EXPECT_EQ(Report("d", 0), FeedTree::kLearner);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 3);
}

TEST_F(FeedTreeTest, AReceiverGoesBackIfTheLearnersLinkWasTheLimit) {
  Report("a", 0);
  Report("b", 0);
  EXPECT_EQ(Report("c", 0), "a:1");
  Pass(absl::Seconds(1));
  Report("a", 3);
  Report("b", 3);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  Pass(absl::Seconds(1.5));
  Report("a", 6);  // now each has two thirds of what two had
  Report("b", 6);
  EXPECT_EQ(Report("c", 2), "a:1");
  EXPECT_EQ(NumFed(FeedTree::kLearner), 2);
  // Nobody is tried again so soon.
  Pass(absl::Seconds(1.5));
  Report("a", 9);
  Report("b", 9);
  EXPECT_EQ(Report("c", 5), "a:1");
}

TEST_F(FeedTreeTest, PacesAreRememberedFromVersionToVersion) {
  Report("a", 0);
  Report("b", 0);
  Pass(absl::Seconds(1));
  Report("b", kBuckets);
  Report("a", 1);
  Pass(absl::Minutes(5));
  tree_.Begin(kBuckets);
  Report("a", 0);
  EXPECT_EQ(Report("b", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("d", 0), "b:1");
}

TEST_F(FeedTreeTest, AnHourLaterTheyAreNot) {
  Report("a", 0);
  Report("b", 0);
  Pass(absl::Seconds(1));
  Report("b", kBuckets);
  Report("a", 1);
  Pass(absl::Hours(2));
  tree_.Begin(kBuckets);
  Report("a", 0);
  EXPECT_EQ(Report("b", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("c", 0), "a:1");
}

TEST_F(FeedTreeTest, NobodyIsFedByThoseThatItFeeds) {
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) Report(name, 0);
  EXPECT_EQ(Report("g", 0), "c:1");
  Report("c", 3);
  Report("g", 3);
  // Only g has as much as c, but has it from c.
  EXPECT_EQ(Failed("c", 3, "a:1"), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, WhoSendsNothingOnIsFedAllTheSame) {
  FeedReport report = Has("a", 0);
  report.address = "";
  EXPECT_EQ(tree_.Report(report, now_), FeedTree::kLearner);
  report.receiver = "b";
  EXPECT_EQ(tree_.Report(report, now_), FeedTree::kLearner);
  // There is no other way than to give the learner a third.
  report.receiver = "c";
  EXPECT_EQ(tree_.Report(report, now_), FeedTree::kLearner);
}

TEST_F(FeedTreeTest, OfANewVersionNobodyHasAnything) {
  Report("a", 0);
  Report("b", 0);
  Report("a", kBuckets);
  Report("b", kBuckets);
  tree_.Begin(kBuckets);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 0);
  EXPECT_EQ(Report("c", 0), FeedTree::kLearner);
  EXPECT_EQ(Report("d", 0), FeedTree::kLearner);
  // a and b have not joined for it.
  EXPECT_EQ(Report("e", 0), "c:1");
}

TEST_F(FeedTreeTest, AVersionWithoutBucketsIsComplete) {
  tree_.Begin(0);
  EXPECT_EQ(Report("a", 0), FeedTree::kLearner);
  EXPECT_EQ(NumFed(FeedTree::kLearner), 0);
}

}  // namespace
}  // namespace rlhf
