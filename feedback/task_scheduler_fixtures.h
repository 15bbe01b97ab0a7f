// Tasks for tests of the scheduler.
#pragma once

#include <string>

#include "feedback/task_scheduler.h"
#include "gtest/gtest.h"

namespace rlhf {

inline const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
inline const TaskScheduler::Options kTwoReady = {.ready_tasks = 2,
                                                 .lease = absl::Seconds(60)};

inline Task NumberedTask(int number) {
  return MakeTask(v1::Prompt(), {"yes", 3}, {"no", 3}, number);
}

inline TaskScheduler WithTasks(const TaskScheduler::Options& options,
                               int num_tasks) {
  TaskScheduler scheduler(options, /*num_comparisons=*/0);
  for (int i = 0; i < num_tasks; ++i)
    EXPECT_TRUE(scheduler.Add(NumberedTask(i)));
  return scheduler;
}

}  // namespace rlhf
