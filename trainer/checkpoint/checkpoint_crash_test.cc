// A process that saves checkpoints is killed, or told that the disk is full, at
// every file operation, and killed at random moments; what Newest() finds then
// is whole.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/checkpoint/async_saver.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {
namespace {

// Weights are streamed into their file, the rest is written at once.
absl::Status Fill(int64_t step, const std::string& folder) {
  const std::string contents = absl::StrCat("state of ", step);
  std::FILE* const file = std::fopen((folder + "/a").c_str(), "wbe");
  if (file == nullptr) return ErrnoStatus(errno, "create", folder);
  const bool written = std::fputs(contents.c_str(), file) >= 0;
  if (std::fclose(file) != 0 || !written) {
    return ErrnoStatus(errno, "write", folder);
  }
  return WriteFileAtomically(folder + "/b", contents);
}

// As the learner saves: on a thread, and waited for.
absl::Status Save(const std::string& root, int64_t step) {
  AsyncSaver saver(CheckpointStore(root, /*num_kept=*/1, /*num_best_kept=*/1),
                   [](const absl::Status&) {});
  const absl::Status status = saver.Start(
      step, [step](const std::string& folder) { return Fill(step, folder); },
      /*metric=*/static_cast<double>(step));
  return status.ok() ? saver.Wait() : status;
}

// The step of the newest checkpoint, its files proven to be of that step.
int64_t NewestStep(const std::string& root) {
  const auto newest = CheckpointStore(root, 1).Newest();
  EXPECT_OK(newest);
  if (!newest.ok() || !newest->has_value()) return -1;
  const int64_t step = (*newest)->step;
  for (const char* name : {"/a", "/b"}) {
    EXPECT_EQ(ReadFile((*newest)->directory + name).value_or("unreadable"),
              absl::StrCat("state of ", step));
  }
  return step;
}

enum class Blow { kKill, kFail };

// Whether a system call changes a file, or may.
bool IsFileOperation(uint64_t number) {
  switch (number) {
    case SYS_openat:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_close:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_ftruncate:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_renameat2:
#ifdef SYS_rename
    case SYS_rename:
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_rmdir:
#endif
      return true;
    default:
      return false;
  }
}

#ifdef __x86_64__
// In a thread that enters a system call: makes it another one, that does not
// exist. In one that leaves it: makes its result an error.
void ReplaceCall(pid_t thread) {
  user_regs_struct registers = {};
  ::ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
  registers.orig_rax = ~0ULL;
  ::ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
}
void ReplaceResult(pid_t thread, int error) {
  user_regs_struct registers = {};
  ::ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
  registers.rax = static_cast<uint64_t>(-error);
  ::ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
}
#endif

// A child that saves step 2, all of its threads traced.
class TracedSave {
 public:
  explicit TracedSave(const std::string& root) {
    child_ = ::fork();
    if (child_ == 0) {
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(3);
      ::raise(SIGSTOP);
      _exit(Save(root, 2).ok() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    if (!WIFSTOPPED(status)) return;
    traced_ = true;
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
             long{PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE});
    ::ptrace(PTRACE_SYSCALL, child_, nullptr, nullptr);
  }

  // Deals the blow when a thread enters (odd `point`) or leaves (even) a file
  // operation, counted from 1; an error only when it enters. False if the child
  // ended before that, or could not be traced.
  bool Strike(Blow blow, int point) {
    if (!traced_) return false;
    int count = 0;
    bool struck = false;
    pid_t failing = 0;
    while (true) {
      int status = 0;
      const pid_t thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0) return struck;
      if (thread == child_ && !WIFSTOPPED(status)) {
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        return struck;
      }
      if (!WIFSTOPPED(status)) continue;
      if (WSTOPSIG(status) == (SIGTRAP | 0x80) && IsCounted(thread) &&
          ++count == point) {
        struck = true;
        if (blow == Blow::kKill) ::kill(child_, SIGKILL);
        if (blow == Blow::kFail) failing = thread;
      }
      Continue(thread, status, failing);
    }
  }

  int exit_code() const { return exit_code_; }

 private:
  // Whether the call that `thread` enters or leaves is a file operation.
  bool IsCounted(pid_t thread) {
    __ptrace_syscall_info info = {};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info);
    enters_ = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (enters_) call_of_[thread] = info.entry.nr;
    return IsFileOperation(call_of_[thread]);
  }

  void Continue(pid_t thread, int status, pid_t& failing) {
    const int signal = WSTOPSIG(status);
#ifdef __x86_64__
    if (thread == failing && signal == (SIGTRAP | 0x80)) {
      if (enters_) {
        ReplaceCall(thread);
      } else {
        ReplaceResult(thread, ENOSPC);
        failing = 0;
      }
    }
#endif
    // Stops of the tracing itself, and a new thread's first, are no signals.
    const bool is_own =
        signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP;
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, long{is_own ? 0 : signal});
  }

  pid_t child_ = 0;
  bool traced_ = false;
  bool enters_ = false;
  std::map<pid_t, uint64_t> call_of_;
  int exit_code_ = -1;
};

// A folder in memory: a kill cannot tell it from a disk, and its fsync is free.
class CheckpointCrashTest : public ::testing::Test {
 protected:
  CheckpointCrashTest() {
    char name[] = "/dev/shm/rlhf-test-XXXXXX";
    RLHF_CHECK(::mkdtemp(name) != nullptr) << std::strerror(errno);
    folder_ = name;
  }
  ~CheckpointCrashTest() override { RemoveAll(folder_).IgnoreError(); }

  std::string folder_;
};

TEST_F(CheckpointCrashTest, AKillAtAnyFileOperationLeavesTheOldOrTheNewOne) {
  int num_old = 0;
  int num_new = 0;
  for (int point = 1;; ++point) {
    const std::string root = absl::StrCat(folder_, "/", point);
    ASSERT_OK(Save(root, 1));
    if (!TracedSave(root).Strike(Blow::kKill, point)) break;
    const int64_t step = NewestStep(root);
    ASSERT_TRUE(step == 1 || step == 2) << step << ", point " << point;
    (step == 1 ? num_old : num_new) += 1;
    // The next process saves over whatever the killed one left.
    ASSERT_OK(Save(root, 3)) << "point " << point;
    ASSERT_THAT(ListDirectory(root), testing::ElementsAre("000003"));
  }
  if (num_old + num_new == 0) GTEST_SKIP() << "this machine forbids tracing";
  // Two files and a manifest, a rename, a removal: a few dozen calls.
  EXPECT_GT(num_old, 20);
  EXPECT_GT(num_new, 2);
  std::cout << "killed before and after each of " << (num_old + num_new + 1) / 2
            << " file operations: every point "
            << "passes (" << num_old << " left the old checkpoint, " << num_new
            << " the new one)\n";
}

#ifdef __x86_64__
TEST_F(CheckpointCrashTest, AFullDiskAtAnyFileOperationLosesNothing) {
  int num_failed = 0;
  int num_saved = 0;
  // Odd points are entries.
  for (int point = 1;; point += 2) {
    const std::string root = absl::StrCat(folder_, "/", point);
    ASSERT_OK(Save(root, 1));
    TracedSave save(root);
    if (!save.Strike(Blow::kFail, point)) break;
    const int64_t step = NewestStep(root);
    // What is said to be saved is saved.
    ASSERT_TRUE(save.exit_code() == 0 || save.exit_code() == 1) << point;
    if (save.exit_code() == 0) {
      ASSERT_EQ(step, 2) << "point " << point;
    }
    ASSERT_TRUE(step == 1 || step == 2) << step << ", point " << point;
    (save.exit_code() == 0 ? num_saved : num_failed) += 1;
    ASSERT_OK(Save(root, 3)) << "point " << point;
    ASSERT_THAT(ListDirectory(root), testing::ElementsAre("000003"));
  }
  if (num_failed + num_saved == 0) GTEST_SKIP() << "no tracing here";
  EXPECT_GT(num_failed, 10);
  std::cout << "an error in each of " << num_failed + num_saved
            << " file operations: every point passes (" << num_failed
            << " were reported, " << num_saved << " did no harm)\n";
}
#endif

// A child saves step after step and tells of each that is saved.
[[noreturn]] void SaveForEver(const std::string& root, int told) {
  for (int64_t step = 1;; ++step) {
    if (!Save(root, step).ok()) _exit(1);
    if (::write(told, &step, sizeof(step)) != sizeof(step)) _exit(1);
  }
}

// Lets a child save for `milliseconds`, kills it, and returns the last step
// that it told of.
int64_t KilledAfter(const std::string& root, int milliseconds) {
  int fds[2];
  if (::pipe(fds) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) SaveForEver(root, fds[1]);
  ::close(fds[1]);
  ::poll(nullptr, 0, milliseconds);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  int64_t last = 0, step = 0;
  while (::read(fds[0], &step, sizeof(step)) == sizeof(step)) last = step;
  ::close(fds[0]);
  return last;
}

TEST_F(CheckpointCrashTest, AKillAtARandomTimeLosesNothingThatWasSaved) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 30; ++trial) {
    const std::string root = absl::StrCat(folder_, "/", trial);
    const int milliseconds = static_cast<int>(random() % 20);
    const int64_t told = KilledAfter(root, milliseconds);

    const int64_t step = NewestStep(root);

    // One more may be saved than was told of.
    if (told == 0 && step == -1) continue;
    ASSERT_GE(step, told) << "killed after " << milliseconds << " ms";
    ASSERT_LE(step, told + 1) << "killed after " << milliseconds << " ms";
  }
}

}  // namespace
}  // namespace rlhf
