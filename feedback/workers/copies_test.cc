#include "feedback/workers/copies.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Of 100 gold answers, so many right.
std::map<std::string, GoldTally> Gold(int num_right, int num_workers) {
  std::map<std::string, GoldTally> gold;
  for (int i = 0; i < num_workers; ++i) {
    gold[absl::StrCat("w", i)] = {.num_right = num_right, .num_asked = 100};
  }
  return gold;
}

// Tasks of which a share of 0.6 is easy, that is right for all, and the others
// are guessed: 0.8 are right, each worker apart, and pairs agree in 0.8
// of the tasks, where 0.8² + 0.2² = 0.68 would be if all tasks were alike.
std::vector<ItemAnswers> HonestItems(int num_items, int num_workers) {
  std::mt19937 random(5);
  std::vector<ItemAnswers> items(num_items);
  for (int item = 0; item < num_items; ++item) {
    const bool easy = item % 5 < 3;
    for (int i = 0; i < num_workers; ++i) {
      const int value = easy ? 1 : static_cast<int>(random() % 2);
      items[item].push_back({absl::StrCat("w", i), value});
    }
    std::shuffle(items[item].begin(), items[item].end(), random);
  }
  return items;
}

TEST(BinomialUpperTailTest, MatchesWhatIsWorkedOutByHand) {
  // Of 4 coins: 4 heads 1/16, 3 or more 5/16.
  EXPECT_NEAR(BinomialUpperTail(4, 0.5, 4), 1.0 / 16, 1e-12);
  EXPECT_NEAR(BinomialUpperTail(4, 0.5, 3), 5.0 / 16, 1e-12);
  EXPECT_EQ(BinomialUpperTail(4, 0.5, 0), 1);
  EXPECT_EQ(BinomialUpperTail(4, 1, 4), 1);
  EXPECT_NEAR(BinomialUpperTail(100, 0.9, 100), std::pow(0.9, 100), 1e-12);
}

TEST(FindCopiesTest, WorkersWhoFindTheSameTasksEasyAreNotSuspected) {
  EXPECT_TRUE(FindCopies(HonestItems(400, 10), Gold(80, 10)).empty());
}

TEST(FindCopiesTest, WorkerWhoRepeatsAnotherIsNamedWithWhomHeCopies) {
  std::vector<ItemAnswers> items = HonestItems(150, 3);
  for (ItemAnswers& answers : items) {
    const auto from =
        std::find_if(answers.begin(), answers.end(),
                     [](const ItemAnswer& a) { return a.worker_id == "w1"; });
    answers.push_back({"copycat", from->value});
  }
  auto gold = Gold(80, 3);
  gold["copycat"] = {.num_right = 80, .num_asked = 100};
  const auto found = FindCopies(items, gold);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].copier, "copycat");
  EXPECT_EQ(found[0].source, "w1");
  EXPECT_EQ(found[0].num_shared, 150);
  EXPECT_EQ(found[0].num_equal, 150);
  // Wilson's upper end for 80 of 100.
  EXPECT_NEAR(found[0].explained, 0.8666, 0.0005);
  EXPECT_LT(found[0].p_value, 1e-8);
}

TEST(FindCopiesTest, NothingIsSaidOfWorkersWithoutGoldAnswers) {
  std::vector<ItemAnswers> items(200, {{"a", 1}, {"b", 1}});
  EXPECT_TRUE(FindCopies(items, {}).empty());
  EXPECT_TRUE(FindCopies(items, {{"a", {5, 5}}, {"b", {90, 100}}}).empty());
}

TEST(FindCopiesTest, PerfectWorkersMayAgreePerfectly) {
  std::vector<ItemAnswers> items(200, {{"a", 1}, {"b", 1}});
  EXPECT_TRUE(
      FindCopies(items, {{"a", {100, 100}}, {"b", {100, 100}}}).empty());
}

}  // namespace
}  // namespace rlhf
