// Who may work, and on what: gold questions, pauses and what the log tells
// of each worker.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feedback/gold_questions.h"
#include "feedback/task_scheduler.h"
#include "feedback/workers/pauses.h"
#include "feedback/workers/worker_ledger.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// A worker for the requester's page.
struct WorkerStatus {
  WorkerView view;
  // By the test or by a person, who had a reason.
  bool paused = false;
  std::string paused_by;
  std::string paused_reason;
};

// Thread-compatible; no clock, and no file is written.
class WorkerBook {
 public:
  // What is not given is not there: no gold, no groups, and pauses that end
  // with the process.
  struct Options {
    WorkerTestRule rule = *MakeWorkerTestRule(v1::WorkerTestConfig());
    GoldQuestions gold;
    // Of a qualified worker's tasks, those that are gold. Above 0, whoever has
    // not passed the test yet gets gold only.
    double gold_share = 0;
    // Keeps workers from foreseeing gold: 64 hexadecimal digits of the run.
    std::string secret;
    // File where whoever has the book keeps what persons say; empty: none.
    std::string pauses_path;
    PersonsWords words;
    // The group of each worker that has one.
    std::map<std::string, std::string> groups;
  };

  explicit WorkerBook(Options options);

  // The book of a run, whose feedback folder is `folder`:
  //   pauses.json  what persons said (AnswerDesk::SetPaused)
  //   task_secret  made if it is not there
  //   groups.json  {"WORKER": "GROUP", …}, if there is one; read only now
  //
  // Errors: as reading the gold questions and the files.
  static absl::StatusOr<std::unique_ptr<WorkerBook>> Open(
      const v1::RunConfig& config, const std::string& folder);

  // Counts a comparison of the log, in its order.
  void Add(const v1::Comparison& comparison);

  // Errors: PermissionDenied with a friendly word if the worker is paused.
  absl::Status CheckMayWork(const std::string& worker_id) const;

  // The gold question that a worker who needs a task should get now, if any.
  std::optional<Task> NextGold(const std::string& worker_id) const;

  // A person pauses a worker or ends a pause. Who is let back in qualifies
  // anew.
  void SetWord(const std::string& worker_id, const PersonsWord& word);
  // What persons will have said after that, for pauses_path().
  PersonsWords WordsWith(const std::string& worker_id,
                         const PersonsWord& word) const;
  const std::string& pauses_path() const { return options_.pauses_path; }

  // Whether a person said something of the worker.
  bool HasWordOn(const std::string& worker_id) const {
    return words_.contains(worker_id);
  }

  // Empty: none.
  std::string GroupOf(const std::string& worker_id) const;

  // Every worker who answered or was paused, by name.
  std::vector<WorkerStatus> Workers() const;
  int NumPaused() const;

  const WorkerLedger& ledger() const { return ledger_; }

 private:
  bool IsPaused(const std::string& worker_id) const;
  WorkerStatus StatusOf(WorkerView view) const;

  const Options options_;
  PersonsWords words_;
  WorkerLedger ledger_;
};

// The secret of the run whose feedback folder is `folder`: it keys the names of
// tasks and the sides of their responses. Makes one if there is none.
// Errors: as LoadOrCreateSecret.
absl::StatusOr<std::string> LoadTaskSecret(const std::string& folder);

}  // namespace rlhf
