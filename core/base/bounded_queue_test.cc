#include "core/base/bounded_queue.h"

#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::Optional;

TEST(BoundedQueueTest, DeliversInTheOrderOfPushing) {
  BoundedQueue<int> queue(3);
  for (const int item : {1, 2, 3}) EXPECT_TRUE(queue.TryPush(int{item}));

  EXPECT_THAT(queue.Pop(absl::ZeroDuration()), Optional(1));
  EXPECT_THAT(queue.Pop(absl::ZeroDuration()), Optional(2));
  EXPECT_THAT(queue.Pop(absl::ZeroDuration()), Optional(3));
}

TEST(BoundedQueueTest, RefusesWhenFullAndLeavesTheItemToTheCaller) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  ASSERT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);

  EXPECT_FALSE(queue.TryPush(std::move(second)));

  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  EXPECT_EQ(queue.size(), 1u);
}

TEST(BoundedQueueTest, HasRoomAgainAfterAPop) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.TryPush(1));
  ASSERT_THAT(queue.Pop(absl::ZeroDuration()), Optional(1));

  EXPECT_TRUE(queue.TryPush(2));
}

TEST(BoundedQueueTest, PopGivesUpAtItsTimeout) {
  BoundedQueue<int> queue(1);

  EXPECT_EQ(queue.Pop(absl::Milliseconds(2)), std::nullopt);
}

TEST(BoundedQueueTest, DeliversWhatWasPushedBeforeClose) {
  BoundedQueue<int> queue(2);
  ASSERT_TRUE(queue.TryPush(1));
  queue.Close();

  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_THAT(queue.Pop(absl::InfiniteDuration()), Optional(1));
  EXPECT_EQ(queue.Pop(absl::InfiniteDuration()), std::nullopt);
}

TEST(BoundedQueueTest, CloseWakesEveryWaiter) {
  BoundedQueue<int> queue(1);
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&queue] {
      EXPECT_EQ(queue.Pop(absl::InfiniteDuration()), std::nullopt);
    });
  }

  queue.Close();

  for (std::thread& waiter : waiters) waiter.join();
}

TEST(BoundedQueueTest, APushWakesAWaiterWithoutATimeout) {
  BoundedQueue<int> queue(1);
  std::thread waiter([&queue] {
    EXPECT_THAT(queue.Pop(absl::InfiniteDuration()), Optional(7));
  });

  EXPECT_TRUE(queue.TryPush(7));

  waiter.join();
}

// Pushes 1..500 into `queue`, again and again where it is full.
void PushAll(BoundedQueue<int>& queue) {
  for (int i = 1; i <= 500; ++i) {
    while (!queue.TryPush(int{i})) std::this_thread::yield();
  }
}

TEST(BoundedQueueTest, EveryItemOfEveryThreadIsDeliveredOnce) {
  BoundedQueue<int> queue(4);
  std::thread first([&queue] { PushAll(queue); });
  std::thread second([&queue] { PushAll(queue); });
  int64_t sum = 0;
  int count = 0;
  for (; count < 1000; ++count) {
    const std::optional<int> item = queue.Pop(absl::Seconds(30));
    if (!item.has_value()) break;
    sum += *item;
  }
  first.join();
  second.join();

  EXPECT_EQ(count, 1000);
  EXPECT_EQ(sum, 2 * 500 * 501 / 2);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(BoundedQueueTest, PushesAllThatHaveRoom) {
  BoundedQueue<int> queue(3);
  EXPECT_EQ(queue.TryPushAll({1, 2}), 0u);
  EXPECT_EQ(queue.TryPushAll({3, 4, 5}), 2u);
  EXPECT_EQ(queue.Pop(absl::ZeroDuration()), 1);
  EXPECT_EQ(queue.Pop(absl::ZeroDuration()), 2);
  EXPECT_EQ(queue.Pop(absl::ZeroDuration()), 3);
  queue.Close();
  EXPECT_EQ(queue.TryPushAll({6}), 1u);
}

}  // namespace
}  // namespace rlhf
