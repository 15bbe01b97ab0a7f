#include "cli/supervisor.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/launch/exit_codes.h"

namespace rlhf {
namespace {

constexpr int kExecFailed = 127;
constexpr int kLogLinesShown = 15;

// Pointers as execve wants them; valid while `strings` is.
std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// This process's environment with `added` in place of equally named variables.
std::vector<std::string> Environment(const std::vector<std::string>& added) {
  const auto name_of = [](const std::string& variable) {
    return variable.substr(0, variable.find('='));
  };
  std::vector<std::string> all = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (std::none_of(added.begin(), added.end(), [&](const std::string& other) {
          return name_of(other) == name_of(variable);
        })) {
      all.push_back(variable);
    }
  }
  return all;
}

// Runs in the child. Only calls that are safe after fork in a process with
// threads.
[[noreturn]] void BecomeChild(pid_t parent, int log_fd, const cpu_set_t* cpus,
                              char* const* argv, char* const* environment) {
  // The inherited handler writes to a pipe that the parent waits at.
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have died before prctl.
  if (::getppid() != parent) ::_exit(1);
  const int null_fd = ::open("/dev/null", O_RDONLY);
  if (null_fd >= 0) ::dup2(null_fd, STDIN_FILENO);
  ::dup2(log_fd, STDOUT_FILENO);
  ::dup2(log_fd, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  if (cpus != nullptr && ::sched_setaffinity(0, sizeof(*cpus), cpus) != 0) {
    constexpr char kWords[] = "this machine has none of the cores given\n";
    (void)!::write(STDERR_FILENO, kWords, sizeof(kWords) - 1);
    ::_exit(kCallersMistake);
  }
  ::execve(argv[0], argv, environment);
  ::_exit(kExecFailed);
}

cpu_set_t CpuSet(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  return set;
}

// A "VmHWM:   1234 kB" line of /proc/PID/status in bytes; 0 if it is absent.
int64_t MemoryField(pid_t pid, absl::string_view name) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    absl::string_view rest = line;
    int64_t kib = 0;
    if (absl::ConsumePrefix(&rest, name) && absl::ConsumeSuffix(&rest, "kB") &&
        absl::SimpleAtoi(rest, &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

// Whether it ended because another of its group had.
bool HeardOfAnother(int wait_status) {
  return WIFEXITED(wait_status) &&
         WEXITSTATUS(wait_status) == kAnotherRankFailed;
}

// Ended by itself and in order: its work is done, or it was asked to stop.
bool EndedWell(int wait_status) {
  return WIFEXITED(wait_status) && (WEXITSTATUS(wait_status) == 0 ||
                                    WEXITSTATUS(wait_status) == kStoppedEarly);
}

}  // namespace

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    return absl::StrCat("was killed by signal ", signal, " (",
                        ::strsignal(signal), ")");
  }
  const int code = WEXITSTATUS(wait_status);
  return absl::StrCat("exited with code ", code,
                      code == kExecFailed          ? " (could not be executed)"
                      : code == kAnotherRankFailed ? " (another rank failed)"
                      : code == kStoppedEarly      ? " (asked to stop)"
                                                   : "");
}

std::string LastLines(const std::string& path, int num_lines) {
  // Logs may be long: only the end is read.
  constexpr int64_t kTailBytes = 16 * 1024;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const int64_t size = file.tellg();
  const int64_t start = std::max<int64_t>(0, size - kTailBytes);
  file.seekg(start);
  std::string text(static_cast<size_t>(size - start), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  std::vector<std::string> lines =
      absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
  if (lines.size() > static_cast<size_t>(num_lines)) {
    lines.erase(lines.begin(), lines.end() - num_lines);
  }
  return absl::StrJoin(lines, "\n");
}

Supervisor::Supervisor(std::vector<ProcessSpec> specs,
                       const SupervisorOptions& options)
    : options_(options) {
  for (ProcessSpec& spec : specs) {
    Process& process = processes_.emplace_back();
    process.view.role = spec.role;
    process.spec = std::move(spec);
  }
}

Supervisor::~Supervisor() {
  Stop(absl::ZeroDuration(), [](const std::vector<std::string>&) {});
}

absl::Status Supervisor::Start() {
  for (Process& process : processes_) {
    RLHF_RETURN_IF_ERROR(Spawn(&process));
    events_.push_back(process.spec.role + " started");
  }
  return absl::OkStatus();
}

absl::Status Supervisor::Spawn(Process* process) {
  const ProcessSpec& spec = process->spec;
  const int log_fd = ::open(spec.log_path.c_str(),
                            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (log_fd < 0) return ErrnoStatus(errno, "open", spec.log_path);
  std::vector<std::string> argv = spec.argv;
  std::vector<std::string> environment = Environment(spec.environment);
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const cpu_set_t cpus = CpuSet(spec.cpus);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    BecomeChild(parent, log_fd, spec.cpus.empty() ? nullptr : &cpus,
                argv_pointers.data(), environment_pointers.data());
  }
  const int error = errno;
  ::close(log_fd);
  if (pid < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start ", spec.role, ": ", ::strerror(error)));
  }
  process->started_at = MonotonicNow();
  process->killed_with_group = false;
  process->view.pid = pid;
  process->view.state = ProcessState::kRunning;
  return absl::OkStatus();
}

void Supervisor::Forgive(Process* process) const {
  Progress progress = process->spec.progress();
  // A role that has just started may not know yet how far it was.
  progress.work = std::max(progress.work, process->progress.work);
  progress.furthest = std::max(progress.furthest, process->progress.furthest);
  const bool is_healthy =
      process->view.state == ProcessState::kRunning &&
      MonotonicNow() - process->started_at >= options_.healthy_after;
  if (is_healthy || progress.work > process->progress.work) {
    process->idle_restarts = 0;
  }
  if (is_healthy || progress.furthest > process->progress.furthest) {
    process->stuck_restarts = 0;
  }
  process->progress = progress;
}

absl::Status Supervisor::Poll() {
  for (Process& process : processes_) {
    Forgive(&process);
    if (process.view.state == ProcessState::kRunning) {
      RLHF_RETURN_IF_ERROR(Reap(&process));
    } else if (process.view.state == ProcessState::kWaitingToRestart &&
               MonotonicNow() >= process.restart_at) {
      RLHF_RETURN_IF_ERROR(Spawn(&process));
      ++process.view.num_restarts;
      events_.push_back(process.spec.role + " restarted");
    }
  }
  return TendGroups();
}

absl::Status Supervisor::TendGroups() {
  for (auto it = ending_groups_.begin(); it != ending_groups_.end();) {
    const EndingGroup ending = it->second;
    bool is_running = false;
    for (Process& process : processes_) {
      if (process.spec.group != it->first || process.view.pid == 0) continue;
      is_running = true;
      if (MonotonicNow() >= ending.deadline) {
        process.killed_with_group = true;
        ::kill(process.view.pid, SIGKILL);
      }
    }
    if (is_running) {
      ++it;
      continue;
    }
    Process* const blamed = ToBlame(it->first, ending.first);
    it = ending_groups_.erase(it);
    RLHF_RETURN_IF_ERROR(ScheduleRestart(blamed));
  }
  return absl::OkStatus();
}

Supervisor::Process* Supervisor::ToBlame(const std::string& group,
                                         Process* first) {
  if (!HeardOfAnother(first->wait_status)) return first;
  Process* blamed = first;
  for (Process& process : processes_) {
    if (process.spec.group != group || HeardOfAnother(process.wait_status) ||
        process.view.state != ProcessState::kStopped) {
      continue;
    }
    if (!process.killed_with_group) return &process;
    blamed = &process;
  }
  return blamed;
}

absl::Status Supervisor::Reap(Process* process) {
  ProcessView& view = process->view;
  int wait_status = 0;
  if (::waitpid(view.pid, &wait_status, WNOHANG) != view.pid) {
    view.rss_bytes = MemoryField(view.pid, "VmRSS:");
    view.peak_rss_bytes =
        std::max(view.peak_rss_bytes, MemoryField(view.pid, "VmHWM:"));
    return absl::OkStatus();
  }
  view.pid = 0;
  view.rss_bytes = 0;
  return HandleExit(process, wait_status);
}

absl::Status Supervisor::HandleExit(Process* process, int wait_status) {
  process->wait_status = wait_status;
  if (wait_status == 0 && process->spec.is_done()) {
    process->view.state = ProcessState::kDone;
    events_.push_back(process->spec.role + " is done");
    return absl::OkStatus();
  }
  process->view.state = ProcessState::kStopped;
  // What worked once is no mistake of the caller, whatever its code: a
  // restarted process may find a port or a file still held by the one that
  // died.
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kCallersMistake &&
      process->view.num_restarts == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(process->spec.role, " ", DescribeExit(wait_status), ":\n",
                     LastLines(process->spec.log_path, kLogLinesShown)));
  }
  if (process->spec.group.empty()) return ScheduleRestart(process);
  const absl::Duration grace =
      EndedWell(wait_status) ? options_.group_stop_grace : options_.group_grace;
  ending_groups_.try_emplace(
      process->spec.group,
      EndingGroup{.first = process, .deadline = MonotonicNow() + grace});
  return absl::OkStatus();
}

const char* Supervisor::ReasonOf(const Process& process, bool is_blamed) {
  if (process.killed_with_group) return is_blamed ? "stuck" : "group";
  if (HeardOfAnother(process.wait_status) ||
      process.view.state == ProcessState::kDone) {
    return "group";
  }
  if (WIFSIGNALED(process.wait_status)) return "signal";
  return EndedWell(process.wait_status) ? "exit" : "error";
}

absl::Status Supervisor::ScheduleRestart(Process* process) {
  const ProcessSpec& spec = process->spec;
  const std::string how =
      process->killed_with_group
          ? "stood still when its group ended, and was killed"
          : DescribeExit(process->wait_status);
  const bool is_idle = process->idle_restarts >= options_.max_idle_restarts;
  if (is_idle || process->stuck_restarts >= options_.max_stuck_restarts) {
    return absl::UnavailableError(
        absl::StrCat(spec.role, " ", how, " and was restarted ",
                     is_idle ? process->idle_restarts : process->stuck_restarts,
                     is_idle ? " times without progress"
                             : " times without getting further than before",
                     "; the end of ", spec.log_path, ":\n",
                     LastLines(spec.log_path, kLogLinesShown)));
  }
  absl::Duration pause = options_.first_pause;
  for (int i = 0; i < process->idle_restarts; ++i) pause *= 2;
  pause = std::min(pause, options_.max_pause);
  for (Process& other : processes_) {
    const bool goes_along =
        &other == process ||
        (!spec.group.empty() && other.spec.group == spec.group &&
         (other.view.state == ProcessState::kStopped ||
          other.view.state == ProcessState::kDone));
    if (!goes_along) continue;
    ++other.idle_restarts;
    ++other.stuck_restarts;
    options_.on_restart(other.spec.role, ReasonOf(other, &other == process));
    other.view.state = ProcessState::kWaitingToRestart;
    other.restart_at = MonotonicNow() + pause;
  }
  events_.push_back(absl::StrFormat("%s %s; restart in %s (log: %s)", spec.role,
                                    how, absl::FormatDuration(pause),
                                    spec.log_path));
  return absl::OkStatus();
}

std::vector<std::string> Supervisor::Stop(
    absl::Duration grace,
    const std::function<void(const std::vector<std::string>&)>& on_wait) {
  std::vector<std::string> failures;
  const absl::Time deadline = MonotonicNow() + grace;
  for (Process& process : processes_) {
    if (process.view.state == ProcessState::kWaitingToRestart) {
      process.view.state = ProcessState::kStopped;
    }
    if (process.view.pid > 0) ::kill(process.view.pid, SIGTERM);
  }
  while (true) {
    std::vector<std::string> waited_for;
    for (Process& process : processes_) {
      ProcessView& view = process.view;
      if (view.pid == 0) continue;
      if (MonotonicNow() >= deadline) ::kill(view.pid, SIGKILL);
      view.peak_rss_bytes =
          std::max(view.peak_rss_bytes, MemoryField(view.pid, "VmHWM:"));
      int wait_status = 0;
      if (::waitpid(view.pid, &wait_status, WNOHANG) == 0) {
        waited_for.push_back(view.role);
        continue;
      }
      if (!EndedWell(wait_status)) {
        failures.push_back(absl::StrCat(view.role, " ",
                                        DescribeExit(wait_status),
                                        " (log: ", process.spec.log_path, ")"));
      }
      view.pid = 0;
      view.rss_bytes = 0;
      view.state = ProcessState::kStopped;
    }
    if (waited_for.empty()) return failures;
    on_wait(waited_for);
    // SIGCHLD would need a handler of its own; a tenth of a second is below
    // what anyone notices.
    absl::SleepFor(absl::Milliseconds(MonotonicNow() >= deadline ? 5 : 100));
  }
}

bool Supervisor::IsDone(absl::string_view role) const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [&](const Process& process) {
                       return process.view.role == role &&
                              process.view.state == ProcessState::kDone;
                     });
}

std::vector<ProcessView> Supervisor::Views() const {
  std::vector<ProcessView> views;
  for (const Process& process : processes_) views.push_back(process.view);
  return views;
}

std::vector<std::string> Supervisor::TakeEvents() {
  return std::exchange(events_, {});
}

}  // namespace rlhf
