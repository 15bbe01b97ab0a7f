#include "core/telemetry/work_lane.h"

#include <atomic>
#include <future>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Keeps the lane's only thread busy until `go` is set; returns once it is.
void Occupy(WorkLane& lane, std::promise<void>& go) {
  std::promise<void> begun;
  ASSERT_TRUE(lane.TryAdd([&begun, &go] {
    begun.set_value();
    go.get_future().wait();
  }));
  begun.get_future().wait();
}

TEST(WorkLaneTest, FullLaneTakesNextStepsButNothingNew) {
  std::promise<void> go;
  std::vector<int> done;
  {
    WorkLane lane({.num_threads = 1, .max_waiting = 2});
    Occupy(lane, go);
    EXPECT_TRUE(lane.AddNext([&done] { done.push_back(0); }));
    EXPECT_TRUE(lane.TryAdd([&done] { done.push_back(1); }));
    EXPECT_TRUE(lane.TryAdd([&done] { done.push_back(2); }));
    EXPECT_FALSE(lane.TryAdd([&done] { done.push_back(3); }));
    EXPECT_TRUE(lane.AddNext([&done] { done.push_back(4); }));
    go.set_value();
  }
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2, 4})) << "in the order of coming";
}

TEST(WorkLaneTest, AsMuchRunsAtOnceAsThereAreThreads) {
  WorkLane lane({.num_threads = 2, .max_waiting = 2});
  std::promise<void> first, second;
  // Each waits for the other.
  ASSERT_TRUE(lane.TryAdd([&] {
    first.set_value();
    second.get_future().wait();
  }));
  ASSERT_TRUE(lane.TryAdd([&] {
    first.get_future().wait();
    second.set_value();
  }));
}

TEST(WorkLaneTest, ClosedLaneDoesWhatItTookAndTakesNoMore) {
  std::promise<void> go;
  std::atomic<bool> was_closed = false;
  WorkLane lane({.num_threads = 1, .max_waiting = 2});
  Occupy(lane, go);
  EXPECT_TRUE(lane.TryAdd([&] { was_closed = lane.is_closed(); }));
  lane.Close();
  EXPECT_FALSE(lane.TryAdd([] {}));
  EXPECT_FALSE(lane.AddNext([] {}));
  go.set_value();
  lane.Finish();
  EXPECT_TRUE(was_closed);
}

}  // namespace
}  // namespace rlhf
