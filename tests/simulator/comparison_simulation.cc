#include "tests/simulator/comparison_simulation.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace rlhf {
namespace {

constexpr double kLease = 60;     // seconds
constexpr double kFaults = 1500;  // then they stop
// All answers come within so long without faults.
constexpr double kPatience = 4 * 3600;
constexpr double kDay = 86400;

TaskScheduler::Options DeskOptions(const ComparisonSimulation::Size& size) {
  return {.ready_tasks = 4,
          .lease = absl::Seconds(kLease),
          .max_comparisons = size.max_comparisons,
          .overlap = size.overlap,
          .max_answers_per_worker = size.max_answers_per_worker};
}

}  // namespace

ComparisonSimulation::Size ComparisonSimulation::SmallSize(uint64_t seed) {
  std::mt19937_64 random(seed);
  Size size;
  size.num_workers = 1 + static_cast<int>(random() % 5);
  size.overlap = 1 + static_cast<int>(random() % static_cast<uint64_t>(std::min(
                                                     3, size.num_workers)));
  size.max_comparisons = 5 + static_cast<int64_t>(random() % 30);
  if (random() % 4 == 0) {
    size.max_answers_per_worker = 3 + static_cast<int64_t>(random() % 10);
  }
  return size;
}

ComparisonSimulation::ComparisonSimulation(uint64_t seed, const Size& size)
    : Simulation(seed, size.fault_share),
      size_(size),
      history_({.overlap = size.overlap,
                .max_comparisons = size.max_comparisons,
                .max_answers_per_worker = size.max_answers_per_worker}),
      workers_(static_cast<size_t>(size.num_workers)) {
  clock_.seconds = &seconds_;
}

std::string ComparisonSimulation::Run() {
  Start();
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].id = absl::StrCat("w", i);
    Ask(workers_[i]);
  }
  After(Real(0, 500), [this] { SetTimeOfDay(); });
  After(kFaults, [this] { SetFaultsStrike(false); });
  while (!IsOver()) {
    if (!RunNextEvent()) return "somebody is always busy until the end";
    if (!failure_.empty()) return failure_;
    if (!history_.violation().empty()) return history_.violation();
    if (now() > kFaults + kPatience) return "all answers come in bounded time";
  }
  SetFaultsStrike(false);
  if (!is_up()) Start();
  history_.CheckLog(disk_.rows);
  return failure_.empty() ? history_.violation() : failure_;
}

// With a limit for each worker the last places may be nobody's.
bool ComparisonSimulation::IsOver() const {
  const auto is_done = [](const Worker& worker) { return worker.is_done; };
  return size_.max_answers_per_worker == 0
             ? std::all_of(workers_.begin(), workers_.end(), is_done)
             : now() > kFaults ||
                   std::all_of(workers_.begin(), workers_.end(), is_done);
}

// --- The service.

void ComparisonSimulation::Start() {
  seconds_ = now();
  dies_ = false;
  history_.CheckLog(disk_.rows);
  // A machine that was started again counts from anywhere.
  clock_.machine = absl::UnixEpoch() + absl::Seconds(Real(0, kDay));
  auto store = PreferenceStore::OpenTable(
      std::make_unique<MemoryTable>(&disk_, [this] { return NextFate(); }),
      &clock_, &metrics_);
  if (!store.ok()) {
    failure_ = absl::StrCat("the store opens after a crash: ",
                            store.status().message());
    return;
  }
  store_ = *std::move(store);
  desk_ = std::make_unique<AnswerDesk>(DeskOptions(size_), store_.get(),
                                       &clock_, &metrics_);
  if (const auto read = desk_->ReadLog(size_.open_work_folder); !read.ok()) {
    failure_ = absl::StrCat("the desk reads the log: ", read.message());
  }
  AddTasks();
}

// What the process wrote after its commit it did not live to write.
void ComparisonSimulation::Crash() {
  desk_.reset();
  store_.reset();
  if (!size_.open_work_folder.empty()) {
    std::filesystem::remove_all(size_.open_work_folder);
    std::filesystem::rename(Snapshot(), size_.open_work_folder);
    if (Fault("power lost")) LoseOpenWork();
  }
  After(Real(0.1, 5), [this] { Start(); });
}

// It is not synced.
void ComparisonSimulation::LoseOpenWork() {
  std::vector<std::string> files = ListDirectory(size_.open_work_folder);
  if (files.empty()) return;
  std::filesystem::remove(
      absl::StrCat(size_.open_work_folder, "/",
                   files[static_cast<size_t>(
                       Int(0, static_cast<int64_t>(files.size()) - 1))]));
}

MemoryTable::Fate ComparisonSimulation::NextFate() {
  using Fate = MemoryTable::Fate;
  // Meanwhile others come, and leases run out.
  if (Fault("a commit takes long")) {
    seconds_ += Real(0, 2 * kLease);
    for (Worker& worker : workers_) {
      if (Int(0, 1) == 0 && worker.task_id.empty()) (void)Lease(worker);
    }
  }
  if (Fault("disk full")) return Fate::kDiskFull;
  if (Fault("a commit fails")) return Fate::kNotMade;
  if (Fault("a commit is made without a word")) {
    history_.MadeUntold(static_cast<int64_t>(disk_.rows.size()) + 1);
    return Fate::kMadeButNotKnown;
  }
  const bool is_made = !Fault("dies before the insert");
  dies_ = !is_made || Fault("dies between insert and acknowledgement");
  if (dies_ && !size_.open_work_folder.empty()) {
    std::filesystem::copy(size_.open_work_folder, Snapshot());
  }
  return is_made ? Fate::kMade : Fate::kNotMade;
}

// By any amount and either way; nothing that lasts is to notice.
void ComparisonSimulation::SetTimeOfDay() {
  After(Real(100, 800), [this] { SetTimeOfDay(); });
  Count("time of day set");
  clock_.day += absl::Seconds(Real(-kDay, kDay));
}

void ComparisonSimulation::AddTasks() {
  const int wanted = desk_->WaitForDemand({}, absl::ZeroDuration());
  std::vector<Task> tasks;
  for (int i = 0; i < wanted; ++i) {
    const std::string name = absl::StrCat("a", num_tasks_);
    tasks.push_back(MakeTask(v1::Prompt(), {name, 1}, {"b", 1}, num_tasks_++));
  }
  desk_->Add(std::move(tasks));
}

std::optional<absl::StatusOr<Task>> ComparisonSimulation::Lease(
    Worker& worker) {
  if (!is_up()) return std::nullopt;
  absl::StatusOr<Task> task = desk_->Lease(worker.id);
  Count(absl::StrCat("task: ", absl::StatusCodeToString(task.status().code())));
  if (task.ok()) history_.Given(worker.id, task->task_id);
  return task;
}

std::optional<ComparisonSimulation::Result> ComparisonSimulation::Submit(
    const Answer& answer) {
  if (!is_up()) return std::nullopt;
  seconds_ = std::max(seconds_, now());
  Result result = desk_->Submit(answer);
  if (dies_) {
    Crash();
    return std::nullopt;
  }
  Count(result.ok() ? absl::StrCat("saved", result->duplicate ? " before" : "",
                                   result->extra ? ", extra" : "")
                    : absl::StrCat("answer: ", absl::StatusCodeToString(
                                                   result.status().code())));
  history_.Answered(answer, result);
  AddTasks();
  return result;
}

// --- The workers.

void ComparisonSimulation::Ask(Worker& worker) {
  After(Delay(), [this, &worker] {
    seconds_ = std::max(seconds_, now());
    if (is_up()) AddTasks();
    const auto task = Lease(worker);
    if (!task.has_value() || Fault("task lost on its way")) {
      After(1, [this, &worker] { Ask(worker); });
    } else {
      Work(worker, *task);
    }
  });
}

void ComparisonSimulation::Work(Worker& worker,
                                const absl::StatusOr<Task>& task) {
  if (absl::IsUnavailable(task.status())) {
    After(Real(1, 10), [this, &worker] { Ask(worker); });
    return;
  }
  if (!task.ok()) {
    worker.is_done = true;
    return;
  }
  worker.task_id = task->task_id;
  const double typing =
      Real(1, 20) + (Fault("types longer than the lease") ? 2 * kLease : 0);
  const Answer answer = MakeAnswer(worker, *task);
  if (Fault("a second tab")) {
    After(Real(0, 2 * typing),
          [this, other = MakeAnswer(worker, *task)] { (void)Submit(other); });
  }
  if (Fault("closes the page")) {
    After(typing, [this, &worker] { Ask(worker); });
    return;
  }
  After(typing, [this, &worker, answer] { Send(worker, answer); });
}

Answer ComparisonSimulation::MakeAnswer(const Worker& worker,
                                        const Task& task) {
  return {.task_id = task.task_id,
          .comparison_id = absl::StrCat("c", num_answers_++),
          .worker_id = worker.id,
          .choice = Int(0, 1) == 0 ? ShownChoice::kLeftBetter
                                   : ShownChoice::kRightBetter,
          .strength = static_cast<int>(Int(1, 3)),
          .source = "page"};
}

void ComparisonSimulation::Send(Worker& worker, const Answer& answer) {
  if (Fault("answer repeated")) {
    After(Real(0.001, 300), [this, answer] { (void)Submit(answer); });
  }
  After(Delay(), [this, &worker, answer] { Sent(worker, answer); });
}

void ComparisonSimulation::Sent(Worker& worker, const Answer& answer) {
  const auto result = Submit(answer);
  const bool is_decided = result.has_value() &&
                          !absl::IsUnavailable(result->status()) &&
                          !absl::IsResourceExhausted(result->status());
  if (!is_decided || Fault("acknowledgement lost")) {
    if (Fault("gives up an answer")) return Ask(worker);
    After(Real(1, 5), [this, &worker, answer] { Send(worker, answer); });
    return;
  }
  worker.task_id.clear();
  Ask(worker);
}

}  // namespace rlhf
