// Tasks that were given out before a restart, as the files of open_work.h and
// the log together tell of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/base/clock.h"
#include "feedback/task_scheduler.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/open_work.pb.h"

namespace rlhf {

// As the file keeps it. Times of day stand in it, as no other clock outlives
// the machine.
v1::OpenTask ToRecord(const OpenTask& open, const Clock& clock);

// The log says who has answered: an answer that was saved just before the
// process ended is not asked for again, whatever the files say. Thread-
// compatible.
class ResumedTasks {
 public:
  // A dialogue or gold question whose worker did not come for it is dropped
  // after so long.
  static constexpr absl::Duration kKeepOwn = absl::Hours(24 * 7);

  explicit ResumedTasks(std::vector<v1::OpenTask> records);

  // In the order of the log.
  void Add(const v1::Comparison& comparison);

  // TaskContentKey of each, for StartedTasks to leave out.
  std::set<std::string> ContentKeys() const;

  // For TaskScheduler::Restore: a worker has one lease at most, the last. It
  // goes on for what was left of it by the time of day, at most `lease`.
  std::vector<OpenTask> Take(const Clock& clock, absl::Duration lease) &&;

 private:
  struct Resumed {
    v1::OpenTask record;
    std::set<std::string> answered_by;
    std::set<std::string> extra_by;
  };

  std::multimap<std::string, Resumed> by_content_;
};

}  // namespace rlhf
