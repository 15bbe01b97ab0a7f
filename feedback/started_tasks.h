// Tasks that have some of the answers that they want, found again in the log
// when the process starts.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "feedback/task_scheduler.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// A digest of what all answers to one task have in common: what was compared,
// by whose versions and when a PM served.
std::string TaskContentKey(const v1::Comparison& comparison);

struct StartedTask {
  // Named anew, and the same whenever it is found again.
  Task task;
  // Fewer than wanted, at least one.
  std::set<std::string> answered_by;
};

// Reads the log once. Which task an answer belongs to follows from what was
// compared, by whose versions and when a PM served: the log knows no task
// names. Imported comparisons, extra answers and gold questions belong to none.
//
// Thread-compatible. Of the tasks that still want answers, the last `max_tasks`
// are kept, which is all that were offered when the process ended if it offered
// no more than that. Of the others a digest is, while the log is read.
class StartedTasks {
 public:
  // `overlap` answers are wanted for each task; with 1, there are none. Those
  // whose TaskContentKey is in `known` are left out.
  StartedTasks(int overlap, int max_tasks, std::set<std::string> known = {})
      : overlap_(overlap), max_tasks_(max_tasks), known_(std::move(known)) {}

  // In the order of the log.
  void Add(const v1::Comparison& comparison);

  // The oldest first.
  std::vector<StartedTask> Take() &&;

 private:
  void Drop(std::deque<std::string>::iterator key);

  const int overlap_;
  const int max_tasks_;
  const std::set<std::string> known_;
  // By a digest of what was compared.
  std::map<std::string, StartedTask> started_;
  std::deque<std::string> order_;
  // Complete or forgotten. A later answer does not start them anew: whoever
  // gave the earlier ones would be asked again.
  std::set<std::string> gone_;
};

}  // namespace rlhf
