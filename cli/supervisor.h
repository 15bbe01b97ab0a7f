// Runs child processes, restarts those that die, and stops all of them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

// How far a process has got. Both numbers only grow.
struct Progress {
  // Pieces of work done, those that were done again after a restart included.
  int64_t work = 0;
  // The furthest point ever reached.
  int64_t furthest = 0;
};

struct ProcessSpec {
  // Names the process in messages.
  std::string role;
  // What to execute; argv[0] is the path of the program.
  std::vector<std::string> argv;
  // Variables ("NAME=value") added to those of this process.
  std::vector<std::string> environment;
  // Where its stdout and stderr are appended.
  std::string log_path;
  // The cores it runs on; empty: those of this process.
  std::vector<int> cpus = {};
  // After an exit with code 0: is its work done? If not, it is restarted.
  std::function<bool()> is_done = [] { return false; };
  // What it has got done; asked at every look. Work forgives earlier restarts.
  std::function<Progress()> progress = [] { return Progress(); };
  // Processes with the same name here, unless it is empty, work only all
  // together: when one ends, the others end too, and all are restarted.
  std::string group = "";
};

struct SupervisorOptions {
  // Pause before a restart; doubles with each restart that did no work.
  absl::Duration first_pause = absl::Milliseconds(500);
  absl::Duration max_pause = absl::Seconds(30);
  // Restarts of one process in a row before all is given up: that did no work,
  // and that did some but never got further than before. Whoever kills a
  // process now and then is survived, one that dies at the same point is not.
  int max_idle_restarts = 5;
  int max_stuck_restarts = 20;
  // A process that ran for so long works, whatever became of its work.
  absl::Duration healthy_after = absl::Minutes(10);
  // How long the others of a group may take to end by themselves, and to say
  // why, when one has failed; and when one has ended as if asked to.
  absl::Duration group_grace = absl::Milliseconds(1500);
  absl::Duration group_stop_grace = absl::Seconds(60);
  // Told of each restart that is decided, and why: "signal", "error" (an exit
  // code), "exit" (in order, before its work was done), "stuck" (it did not
  // end with its group and was killed), or "group" (another of its group ended
  // first).
  std::function<void(const std::string& role, const char* reason)> on_restart =
      [](const std::string&, const char*) {};
};

enum class ProcessState { kRunning, kWaitingToRestart, kDone, kStopped };

struct ProcessView {
  std::string role;
  ProcessState state = ProcessState::kStopped;
  pid_t pid = 0;
  int64_t rss_bytes = 0;
  // Largest since construction, over all restarts.
  int64_t peak_rss_bytes = 0;
  int64_t num_restarts = 0;
};

// A child gets SIGTERM when this process dies, and stands in a process group of
// its own, so that Ctrl-C reaches only this process. Not thread-safe; Start
// and Poll must be called by the main thread, whose end is what children
// notice.
class Supervisor {
 public:
  Supervisor(std::vector<ProcessSpec> specs, const SupervisorOptions& options);
  // Kills what still runs.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts every process. Errors: Unavailable if the system refuses.
  absl::Status Start();

  // Notices ended processes, starts those whose pause is over and samples
  // memory.
  //
  // Errors, each with the role and the end of its log:
  //   InvalidArgument  a process that was not restarted exited with code 2: the
  //                    caller's mistake
  //   Unavailable      a process died too often without progress
  absl::Status Poll();

  // SIGTERM to every process, and SIGKILL to those that still run after
  // `grace`. `on_wait` is called every 0.1 s with the roles waited for. Returns
  // which of them did not end well, and how.
  std::vector<std::string> Stop(
      absl::Duration grace,
      const std::function<void(const std::vector<std::string>&)>& on_wait);

  // Whether the process of this role has done its work.
  bool IsDone(absl::string_view role) const;

  std::vector<ProcessView> Views() const;

  // What happened since the last call, a line each.
  std::vector<std::string> TakeEvents();

 private:
  struct Process {
    ProcessSpec spec;
    ProcessView view;
    Progress progress;
    int idle_restarts = 0;   // in a row, without work
    int stuck_restarts = 0;  // in a row, without getting further
    absl::Time started_at;
    absl::Time restart_at;
    int wait_status = 0;  // of its last end
    // It did not end when another of its group had.
    bool killed_with_group = false;
  };

  absl::Status Spawn(Process* process);
  // Forgives the restarts of a process that got on.
  void Forgive(Process* process) const;
  absl::Status Reap(Process* process);
  absl::Status HandleExit(Process* process, int wait_status);
  // Restarts the others of its group too, those that were done included; how
  // it ended is told of it alone.
  absl::Status ScheduleRestart(Process* process);
  // SupervisorOptions::on_restart's word for why this one is restarted.
  static const char* ReasonOf(const Process& process, bool is_blamed);
  // The one of a group whose end was no consequence of another's, or else one
  // that stood still.
  Process* ToBlame(const std::string& group, Process* first);
  // Sees to the end of groups of which a process has ended.
  absl::Status TendGroups();

  // A group of which a process has ended.
  struct EndingGroup {
    Process* first = nullptr;  // that ended
    absl::Time deadline;       // for the others
  };

  const SupervisorOptions options_;
  std::vector<Process> processes_;
  std::map<std::string, EndingGroup> ending_groups_;
  std::vector<std::string> events_;
};

// "exited with code 1", "was killed by signal 9 (Killed)".
std::string DescribeExit(int wait_status);

// The last `num_lines` lines of a file; empty if it cannot be read.
std::string LastLines(const std::string& path, int num_lines);

}  // namespace rlhf
