// What people have in hand, in files: it outlives the process.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/open_work.pb.h"

namespace rlhf {

// A folder with a file for each task that is given out and each dialogue that
// waits. A process that is killed at any moment leaves each of them whole or
// absent. They are not synced: a machine that loses power may lose the newest,
// and their answers are refused then, which the page tells; an answer that was
// acknowledged is in the log.
//
// What cannot be written or removed is logged once: work goes on without it,
// and whoever uses this tries again.
// Thread-compatible.
class OpenWork {
 public:
  struct Found {
    std::vector<v1::OpenTask> tasks;
    std::vector<v1::WaitingTurn> turns;
  };

  // Keeps nothing.
  OpenWork() = default;
  // Makes the folder, and reads what is in it into `found`; files that make no
  // sense are removed, and logged.
  // Errors: as MakeDirectories and ReadFile.
  static absl::StatusOr<OpenWork> Open(const std::string& folder, Found& found);

  // Takes a worker out of the folder while no service has it: the worker's own
  // tasks and dialogue go, and so does every task that nobody else was given.
  // Errors: as Open, and ErrnoStatus for what could not be rewritten or
  // removed; the worker may still be there then.
  static absl::Status RemoveWorker(const std::string& folder,
                                   const std::string& worker_id);

  // The same of answers: the dialogues and tasks that go on from them go.
  static absl::Status RemoveAnswers(
      const std::string& folder,
      const std::vector<std::string>& comparison_ids);

  // Each in place of an earlier one of the same task, or of the same worker;
  // what is gone need not have been there.
  struct Changes {
    std::vector<v1::OpenTask> tasks;
    std::vector<v1::WaitingTurn> turns;
    std::vector<std::string> gone_tasks;  // ids
    std::vector<std::string> gone_turns;  // whose
  };
  // What could not be done, to be applied again as it is by then.
  struct Undone {
    absl::Status status;  // the first error; OK: all is done
    std::vector<std::string> task_ids;
    std::vector<std::string> worker_ids;  // whose dialogue
  };
  // What is new is written before what is gone is removed, and no turn is
  // removed unless all was written: a dialogue that became a task is in a file
  // at every moment.
  Undone Apply(const Changes& changes);

 private:
  explicit OpenWork(std::string folder) : folder_(std::move(folder)) {}
  std::string TaskPath(const std::string& task_id) const;
  std::string TurnPath(const std::string& worker_id) const;
  Undone Write(const Changes& changes) const;

  std::string folder_;  // empty: keeps nothing
  bool failing_ = false;
};

}  // namespace rlhf
