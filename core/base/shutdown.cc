#include "core/base/shutdown.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/time/clock.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

std::atomic<int> num_requests = 0;

// A pipe that is never read: once a byte is in it, every poll returns at once.
int pipe_fds[2] = {-1, -1};

void OnSignal(int) {
  if (num_requests.fetch_add(1) > 0) _exit(130);
  [[maybe_unused]] const auto written = ::write(pipe_fds[1], "x", 1);
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

bool ShutdownRequested() { return num_requests.load() > 0; }

void RequestShutdown() {
  OpenPipeOnce();
  num_requests.fetch_add(1);
  [[maybe_unused]] const auto written = ::write(pipe_fds[1], "x", 1);
}

bool WaitForShutdown(absl::Duration timeout) {
  OpenPipeOnce();
  const absl::Time deadline = absl::Now() + timeout;
  while (!ShutdownRequested()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    pollfd fd = {.fd = pipe_fds[0], .events = POLLIN, .revents = 0};
    const int64_t ms = absl::ToInt64Milliseconds(left) + 1;
    ::poll(&fd, 1, static_cast<int>(std::min<int64_t>(ms, 1'000'000)));
  }
  return ShutdownRequested();
}

}  // namespace rlhf
