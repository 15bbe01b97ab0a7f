// What the learner tells of its updates in the run's metrics.jsonl.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json_lines.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Not thread-safe.
class NewUpdates {
 public:
  explicit NewUpdates(std::string path) : path_(path), tail_(std::move(path)) {}

  // The updates that were appended since the last call; none if there is no
  // file yet. A line that cannot be read is logged with its number and left
  // out: what uses this does without the update.
  std::vector<v1::UpdateReport> Read();

 private:
  const std::string path_;
  JsonLinesTail tail_;
  int64_t num_lines_ = 0;
};

}  // namespace rlhf
