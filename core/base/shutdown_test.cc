#include "core/base/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// The flag is the process's own and stays set, so every test looks at it from a
// child process.
namespace rlhf {
namespace {

using ::testing::ExitedWithCode;

// Runs in the child: 0 if a signal ends an endless wait, at once.
[[noreturn]] void WaitWhileSignalled(int signal) {
  InstallShutdownHandler();
  if (ShutdownRequested() || WaitForShutdown(absl::Milliseconds(1))) _exit(1);
  ::raise(signal);
  _exit(WaitForShutdown(absl::InfiniteDuration()) && ShutdownRequested() ? 0
                                                                         : 2);
}

[[noreturn]] void RequestThenWait() {
  if (WaitForShutdown(absl::ZeroDuration())) _exit(1);
  RequestShutdown();
  RequestShutdown();
  _exit(WaitForShutdown(absl::InfiniteDuration()) ? 0 : 2);
}

// Told by the first request, not by later ones.
[[noreturn]] void RequestAndAskWhen() {
  if (ShutdownTime() != absl::InfiniteFuture()) _exit(1);
  const absl::Time before = MonotonicNow();
  RequestShutdown();
  const absl::Time at = ShutdownTime();
  while (MonotonicNow() == at) continue;
  RequestShutdown();
  _exit(before <= at && at <= MonotonicNow() && ShutdownTime() == at ? 0 : 2);
}

[[noreturn]] void SignalTwice() {
  InstallShutdownHandler();
  ::raise(SIGTERM);
  ::raise(SIGINT);
  _exit(0);
}

[[noreturn]] void RequestThenSignal() {
  InstallShutdownHandler();
  RequestShutdown();
  ::raise(SIGTERM);
  _exit(0);
}

[[noreturn]] void WriteToAClosedPipe() {
  InstallShutdownHandler();
  int fds[2];
  if (::pipe(fds) != 0) _exit(1);
  ::close(fds[0]);
  _exit(::write(fds[1], "x", 1) == -1 ? 0 : 2);
}

class ShutdownDeathTest : public ::testing::Test {
 protected:
  ShutdownDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ShutdownDeathTest, SigtermEndsTheWait) {
  EXPECT_EXIT(WaitWhileSignalled(SIGTERM), ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, SigintEndsTheWait) {
  EXPECT_EXIT(WaitWhileSignalled(SIGINT), ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, ARequestEndsTheWaitWithoutHandlers) {
  EXPECT_EXIT(RequestThenWait(), ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, TheTimeIsThatOfTheFirstRequest) {
  EXPECT_EXIT(RequestAndAskWhen(), ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, TheSecondSignalEndsTheProcessAtOnce) {
  EXPECT_EXIT(SignalTwice(), ExitedWithCode(130), "");
}

TEST_F(ShutdownDeathTest, TheFirstSignalAfterARequestLetsTheProcessDrain) {
  EXPECT_EXIT(RequestThenSignal(), ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, APeerThatHangsUpIsAnErrorNotADeath) {
  EXPECT_EXIT(WriteToAClosedPipe(), ExitedWithCode(0), "");
}

TEST(ShutdownTest, AWaitWithoutARequestReturnsAtItsTimeout) {
  const absl::Time start = MonotonicNow();

  EXPECT_FALSE(WaitForShutdown(absl::Milliseconds(5)));

  EXPECT_GE(MonotonicNow() - start, absl::Milliseconds(5));
}

}  // namespace
}  // namespace rlhf
