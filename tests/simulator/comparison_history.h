// Judges what workers were told of their answers by what is in the log then.
//
//   an answer that was acknowledged is in the log once, as it was given, and is
//   acknowledged again whenever it comes again
//   an answer that was refused is not there
//   a task has no more answers than it wants, and a worker gives it one
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feedback/answer_desk.h"
#include "feedback/comparison_table.h"

namespace rlhf {

class ComparisonHistory {
 public:
  struct Limits {
    int overlap = 1;
    int64_t max_comparisons = 0;
    int64_t max_answers_per_worker = 0;  // 0: none
  };

  explicit ComparisonHistory(const Limits& limits) : limits_(limits) {}

  // The first rule that was broken; empty if none was.
  const std::string& violation() const { return violation_; }

  // The worker was given the task: what they once said of it may be taken now,
  // though it was refused before, as when an extra answer was all that was
  // known of them.
  void Given(const std::string& worker_id, const std::string& task_id);
  // What the service said to `answer`.
  void Answered(const Answer& answer,
                const absl::StatusOr<PreferenceStore::Appended>& result);
  // The row of this seq is made, and nobody was told. The worker may never send
  // it again, and others may have been asked instead: it is beyond all limits.
  void MadeUntold(int64_t seq) { untold_.insert(seq); }
  // The whole log, when nothing is on its way into it.
  void CheckLog(const std::vector<ComparisonRow>& rows);

 private:
  struct Fate {
    int64_t seq = 0;  // 0: not acknowledged
    bool extra = false;
    bool refused = false;
    bool given_again = false;  // after it was refused
    std::string task_id;
    std::string worker_id;
    int strength = 0;
  };

  void Require(bool holds, const char* rule) {
    if (!holds && violation_.empty()) violation_ = rule;
  }
  void CheckAnswer(const v1::Comparison& comparison);
  void CheckLimits(const std::vector<v1::Comparison>& log);

  const Limits limits_;
  std::string violation_;
  std::map<std::string, Fate> fates_;  // by comparison_id
  std::set<int64_t> untold_;
};

}  // namespace rlhf
