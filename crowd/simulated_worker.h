// What one simulated worker answers. Pure: the same task gets the same answer.
#pragma once

#include <string>

#include "crowd/gold_judge.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

struct WorkerAnswer {
  // As POST /api/comparison takes it: "left_better", "right_better" or "tie".
  std::string choice;
  // 1 to 3 with a preference, else 0.
  int strength = 0;
  // Time on the task.
  double seconds = 0;
};

// With probability `left_bias` the worker takes the left answer unread; else
// with probability `accuracy` the one that the gold judge prefers, otherwise
// the other. Equal gold scores are a tie.
WorkerAnswer AnswerTask(const v1::CrowdWorker& worker, const GoldScores& gold,
                        const std::string& task_id, uint64_t seed);

}  // namespace rlhf
