// A process that saves checkpoints is killed, at every system call and at
// random moments; what Newest() finds then is whole.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {
namespace {

absl::Status Save(const std::string& root, int64_t step) {
  return CheckpointStore(root, /*num_kept=*/1)
      .Save(step, [step](const std::string& folder) {
        const std::string contents = absl::StrCat("state of ", step);
        const absl::Status status =
            WriteFileAtomically(folder + "/a", contents);
        return status.ok() ? WriteFileAtomically(folder + "/b", contents)
                           : status;
      });
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

// Lets a child save step 2 and kills it when it enters or leaves a system call
// for the `num_stops`-th time. Returns false if it finished before that, or
// could not be traced.
bool KilledWhileSaving(const std::string& root, int num_stops) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(3);
    ::raise(SIGSTOP);
    _exit(Save(root, 2).ok() ? 0 : 1);
  }
  int status = 0;
  for (int stop = 0;; ++stop) {
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return false;
    if (stop == num_stops) break;
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

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

TEST_F(CheckpointCrashTest, AKillAtAnySystemCallLeavesTheOldOrTheNewOne) {
  int num_old = 0;
  int num_new = 0;
  for (int stop = 1;; ++stop) {
    const std::string root = absl::StrCat(folder_, "/", stop);
    ASSERT_OK(Save(root, 1));
    if (!KilledWhileSaving(root, stop)) break;
    const int64_t step = NewestStep(root);
    ASSERT_TRUE(step == 1 || step == 2) << step << ", stop " << stop;
    (step == 1 ? num_old : num_new) += 1;
    // The next process saves over whatever the killed one left.
    ASSERT_OK(Save(root, 3)) << "stop " << stop;
    ASSERT_THAT(ListDirectory(root), testing::ElementsAre("000003"));
  }
  if (num_old + num_new == 0) GTEST_SKIP() << "this machine forbids tracing";
  // Two files and a manifest, a rename, a removal: a few dozen calls.
  EXPECT_GT(num_old, 20);
  EXPECT_GT(num_new, 2);
}

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
