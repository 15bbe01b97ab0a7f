// The feedback service's desk and store, and workers, under faults: the process
// dies between insert and acknowledgement and elsewhere, commits fail or are
// made without a word, messages are lost, repeated and late, leases run out
// while people type, one person works in two tabs, and the time of day is set.
//
// AnswerDesk, TaskScheduler, PreferenceStore and OpenWork are the real ones,
// over a database in memory. Workers and network are played here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "feedback/answer_desk.h"
#include "prometheus/registry.h"
#include "tests/simulator/comparison_history.h"
#include "tests/simulator/memory_table.h"
#include "tests/simulator/simulation.h"

namespace rlhf {

class ComparisonSimulation final : public Simulation {
 public:
  struct Size {
    int num_workers = 3;
    int overlap = 1;
    int64_t max_comparisons = 20;
    int64_t max_answers_per_worker = 0;
    double fault_share = 0.03;
    // Where open work is kept; empty: nowhere, it ends with the process.
    std::string open_work_folder;
  };

  // A run of a size that follows from the seed.
  static Size SmallSize(uint64_t seed);

  ComparisonSimulation(uint64_t seed, const Size& size);

  std::string Run() override;

 private:
  // Time of day and monotonic time of the service, moved by the simulation.
  class ServiceClock final : public Clock {
   public:
    absl::Time Now() const override { return day + absl::Seconds(*seconds); }
    absl::Time Monotonic() const override {
      return machine + absl::Seconds(*seconds);
    }
    const double* seconds = nullptr;
    absl::Time day = absl::FromUnixSeconds(1'700'000'000);
    absl::Time machine = absl::UnixEpoch();
  };
  struct Worker {
    std::string id;
    std::string task_id;  // that is in hand and not answered
    bool is_done = false;
  };
  using Result = absl::StatusOr<PreferenceStore::Appended>;

  // --- The service. What survives a crash: disk_, and the open work's folder.
  bool is_up() const { return desk_ != nullptr; }
  void Start();
  void Crash();
  void LoseOpenWork();
  std::string Snapshot() const { return size_.open_work_folder + ".snapshot"; }
  MemoryTable::Fate NextFate();
  void SetTimeOfDay();
  void AddTasks();
  std::optional<absl::StatusOr<Task>> Lease(Worker& worker);
  std::optional<Result> Submit(const Answer& answer);

  // --- The workers' side.
  void Ask(Worker& worker);
  void Work(Worker& worker, const absl::StatusOr<Task>& task);
  Answer MakeAnswer(const Worker& worker, const Task& task);
  void Send(Worker& worker, const Answer& answer);
  void Sent(Worker& worker, const Answer& answer);

  bool IsOver() const;

  double Delay() { return Real(0.001, 0.2); }

  const Size size_;
  ComparisonHistory history_;
  double seconds_ = 0;  // what the clocks show
  ServiceClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  MemoryDisk disk_;
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<AnswerDesk> desk_;
  // The process dies when the call that it is in returns.
  bool dies_ = false;

  std::vector<Worker> workers_;
  int64_t num_answers_ = 0;
  int64_t num_tasks_ = 0;
  std::string failure_;
};

}  // namespace rlhf
