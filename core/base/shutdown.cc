#include "core/base/shutdown.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "core/base/check.h"
#include "core/base/clock.h"

namespace rlhf {
namespace {

std::atomic<bool> requested = false;
std::atomic<int64_t> requested_at_nanos = 0;
std::atomic<bool> signalled = false;

// A pipe that is never read: once a byte is in it, every poll returns at once.
int pipe_fds[2] = {-1, -1};

void Request() {
  // clock_gettime may be called by a signal handler; absl::Now may not.
  timespec now = {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  int64_t unset = 0;
  requested_at_nanos.compare_exchange_strong(
      unset, now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec);
  requested = true;
  [[maybe_unused]] const auto written = ::write(pipe_fds[1], "x", 1);
}

void OnSignal(int) {
  // A request made by the program itself does not count: the first signal
  // after it must not cut the draining short.
  if (signalled.exchange(true)) _exit(130);
  const int interrupted_errno = errno;
  Request();
  errno = interrupted_errno;
}

void OpenPipeOnce() {
  static const bool opened = [] {
    RLHF_CHECK(::pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0);
    return true;
  }();
  (void)opened;
}

}  // namespace

void InstallShutdownHandler() {
  OpenPipeOnce();
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool ShutdownRequested() { return requested; }

absl::Time ShutdownTime() {
  return requested ? absl::FromUnixNanos(requested_at_nanos)
                   : absl::InfiniteFuture();
}

void RequestShutdown() {
  OpenPipeOnce();
  Request();
}

bool WaitForShutdown(absl::Duration timeout) {
  OpenPipeOnce();
  const absl::Time deadline = MonotonicNow() + timeout;
  while (!ShutdownRequested()) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) break;
    pollfd fd = {.fd = pipe_fds[0], .events = POLLIN, .revents = 0};
    const absl::Duration look = std::min(left, absl::Minutes(10));
    ::poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(look)) + 1);
  }
  return ShutdownRequested();
}

}  // namespace rlhf
