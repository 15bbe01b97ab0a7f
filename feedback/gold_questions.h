// Questions whose right answer is known, to be put among the tasks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "feedback/task_scheduler.h"

namespace rlhf {

// Immutable, so thread-safe.
class GoldQuestions {
 public:
  // None at all.
  GoldQuestions() = default;

  // Reads a file of comparisons in any form of parse_comparisons.h; what each
  // says is better is the right answer. A red-team question says what is better
  // to learn from, like everything that is stored.
  //
  // Errors: as ReadComparisons; InvalidArgument for an empty file or a question
  // that is no preference.
  static absl::StatusOr<GoldQuestions> Read(const std::string& path);

  bool empty() const { return questions_.empty(); }
  size_t size() const { return questions_.size(); }

  // The task of worker `worker_id`'s gold question `number`, from 0: a walk
  // through all questions that begins somewhere else for each worker, and
  // begins again when all were asked. In the task, A is right. Its name is like
  // that of any other task; nobody without `secret`, which is the run's, can
  // tell it or the walk. There must be questions.
  Task Ask(absl::string_view worker_id, int64_t number,
           absl::string_view secret) const;

 private:
  std::vector<Task> questions_;
};

}  // namespace rlhf
