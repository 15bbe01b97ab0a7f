#include "crowd/simulated_worker.h"

#include <cmath>

#include "core/base/hash.h"

namespace rlhf {
namespace {

// Gold differences up to these are "slightly" and "clearly" better.
constexpr double kSlight = 0.75;
constexpr double kClear = 2;

// The draws of one worker on one task.
class Draws {
 public:
  Draws(const std::string& worker_id, const std::string& task_id, uint64_t seed)
      : key_(MixHash(MixHash(seed, Xxh3(worker_id)), Xxh3(task_id))) {}

  double Next() {
    return static_cast<double>(MixHash(key_, next_++) >> 11) * 0x1.0p-53;
  }

 private:
  const uint64_t key_;
  uint64_t next_ = 0;
};

int Strength(double difference) {
  const double size = std::abs(difference);
  return size <= kSlight ? 1 : size <= kClear ? 2 : 3;
}

}  // namespace

WorkerAnswer AnswerTask(const v1::CrowdWorker& worker, const GoldScores& gold,
                        const std::string& task_id, uint64_t seed) {
  Draws draws(worker.worker_id(), task_id, seed);
  WorkerAnswer answer;
  // Between half and one and a half times the mean.
  answer.seconds = worker.seconds_per_task() * (0.5 + draws.Next());
  const bool unread = draws.Next() < worker.left_bias();
  const bool right_about_it = draws.Next() < worker.accuracy();
  if (unread) {
    answer.choice = "left_better";
    answer.strength = 1;
    return answer;
  }
  if (gold.left == gold.right) {
    answer.choice = "tie";
    return answer;
  }
  const bool left_wins = (gold.left > gold.right) == right_about_it;
  answer.choice = left_wins ? "left_better" : "right_better";
  answer.strength = Strength(gold.left - gold.right);
  return answer;
}

}  // namespace rlhf
