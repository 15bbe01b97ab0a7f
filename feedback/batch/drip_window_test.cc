#include "feedback/batch/drip_window.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

BatchEvidence Seen(int64_t count, const std::string& worker, int64_t left) {
  BatchEvidence evidence;
  evidence.num_comparisons = count;
  evidence.everybody.left = {.count = left, .total = count};
  AnswerEvidence answers = {.worker_id = worker};
  answers.left = evidence.everybody.left;
  answers.twin = {.count = count, .total = count};
  evidence.workers = {answers};
  evidence.choices[0] = {.count = count, .total = count};
  return evidence;
}

TEST(DripWindowTest, CountsAreAddedAndThoseOfAWorkerByName) {
  BatchEvidence sum = Seen(3, "bob", 1);
  sum.log_longer = {.count = 5, .total = 10};
  AddEvidence(Seen(2, "ada", 2), sum);
  AddEvidence(Seen(4, "bob", 4), sum);
  EXPECT_EQ(sum.num_comparisons, 9);
  EXPECT_EQ(sum.everybody.left.count, 7);
  EXPECT_EQ(sum.everybody.left.total, 9);
  EXPECT_EQ(sum.choices[0].total, 9);
  EXPECT_EQ(sum.log_longer.total, 10);
  ASSERT_THAT(sum.workers, SizeIs(2));
  EXPECT_EQ(sum.workers[0].worker_id, "ada");
  EXPECT_EQ(sum.workers[1].left.count, 5);
  EXPECT_EQ(sum.workers[1].left.total, 7);
}

TEST(DripWindowTest, TheSumHasTheNewestAndNoPairsOfWorkers) {
  DripWindow window;
  window.Add({.evidence = Seen(2, "ada", 1)});
  const BatchEvidence sum = window.SumWith(Seen(1, "ada", 1));
  EXPECT_EQ(sum.num_comparisons, 3);
  ASSERT_THAT(sum.workers, SizeIs(1));
  EXPECT_EQ(sum.workers[0].left.count, 2);
  EXPECT_EQ(sum.workers[0].twin.total, 0);
}

TEST(DripWindowTest, AsManyAreKeptAsAreJudgedTogether) {
  DripWindow window;
  for (int i = 0; i < 1000; ++i) {
    window.Add({.evidence = Seen(1, "ada", 1)}, /*min_size=*/500);
  }
  EXPECT_EQ(window.SumWith({}).num_comparisons, 500);
}

TEST(DripWindowTest, OnlyTheNewestAreKept) {
  DripWindow window;
  for (int i = 0; i < 1000; ++i) {
    window.Add({.evidence = Seen(1, "ada", 1),
                .comparison_ids = {absl::StrCat("c", i)}});
  }
  EXPECT_EQ(window.SumWith({}).num_comparisons, DripWindow::kSize);
  ASSERT_THAT(window.comparison_ids(), SizeIs(DripWindow::kSize));
  EXPECT_EQ(window.comparison_ids().front(), "c800");
  // A larger one pushes out no more than it has to.
  window.Add({.evidence = Seen(49, "ada", 49)});
  window.Add({.evidence = Seen(170, "ada", 170)});
  EXPECT_EQ(window.SumWith({}).num_comparisons, 49 + 170);
}

TEST(DripWindowTest, BatchesAreTheirsOnce) {
  DripWindow window;
  window.Add({.evidence = Seen(1, "ada", 1), .comparison_ids = {"c1"}});
  for (const char* const batch : {"b1", "b1", "b2"}) {
    window.Add({.evidence = Seen(1, "ada", 1),
                .batch_id = batch,
                .comparison_ids = {"c2", "c3"}});
  }
  EXPECT_THAT(window.batch_ids(), ElementsAre("b1", "b2"));
  EXPECT_THAT(window.comparison_ids(), SizeIs(7));
}

}  // namespace
}  // namespace rlhf
