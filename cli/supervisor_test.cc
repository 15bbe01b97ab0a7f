// Supervision of tiny shell scripts.
#include "cli/supervisor.h"

#include <sched.h>
#include <signal.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/launch/exit_codes.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kDeadline = absl::Seconds(20);

class SupervisorTest : public testing::Test {
 protected:
  ProcessSpec Shell(const std::string& role, const std::string& script) {
    ProcessSpec spec;
    spec.role = role;
    spec.argv = {"/bin/sh", "-c", script};
    spec.log_path = dir_ / (role + ".log");
    return spec;
  }

  static SupervisorOptions Fast() {
    SupervisorOptions options;
    options.first_pause = absl::Milliseconds(1);
    options.max_pause = absl::Milliseconds(4);
    return options;
  }

  // Polls until `reached` or an error.
  template <typename F>
  absl::Status PollUntil(Supervisor* supervisor, F&& reached) {
    const absl::Time deadline = absl::Now() + kDeadline;
    while (absl::Now() < deadline) {
      const absl::Status status = supervisor->Poll();
      if (!status.ok() || reached()) return status;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return absl::DeadlineExceededError("the test waited too long");
  }

  static void Stop(Supervisor* supervisor, absl::Duration grace) {
    supervisor->Stop(grace, [](const std::vector<std::string>&) {});
  }

  // Blocks until `path` exists.
  void WaitForFile(const std::string& path) {
    const absl::Time deadline = absl::Now() + kDeadline;
    while (!FileExists(path) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    ASSERT_TRUE(FileExists(path)) << path;
  }

  TempDir dir_;
  Progress progress_;
};

TEST_F(SupervisorTest, OutputGoesToTheLogAndVariablesToTheChild) {
  ProcessSpec spec = Shell("actor", "echo out $COLOUR; echo err >&2");
  spec.environment = {"COLOUR=green"};
  spec.is_done = [] { return true; };
  Supervisor supervisor({spec}, Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] { return supervisor.IsDone("actor"); }));
  EXPECT_EQ(*ReadFile(spec.log_path), "out green\nerr\n");
}

TEST_F(SupervisorTest, AProcessRunsOnItsCoresOnly) {
  cpu_set_t ours;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(ours), &ours), 0);
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &ours)) --last;
  ProcessSpec spec =
      Shell("actor", "grep ^Cpus_allowed_list: /proc/self/status");
  spec.cpus = {last};
  spec.is_done = [] { return true; };
  Supervisor supervisor({spec}, Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] { return supervisor.IsDone("actor"); }));
  EXPECT_EQ(*ReadFile(spec.log_path),
            absl::StrCat("Cpus_allowed_list:\t", last, "\n"));
}

TEST_F(SupervisorTest, CoresThatTheMachineLacksAreTheCallersMistake) {
  ProcessSpec spec = Shell("actor", "exec sleep 100");
  spec.cpus = {CPU_SETSIZE - 1};
  Supervisor supervisor({spec}, Fast());
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has none of the cores given")));
}

TEST_F(SupervisorTest, KilledProcessIsRestartedAndItsMemoryRemembered) {
  Supervisor supervisor({Shell("actor", "exec sleep 100")}, Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(
      &supervisor, [&] { return supervisor.Views()[0].peak_rss_bytes > 0; }));
  ::kill(supervisor.Views()[0].pid, SIGKILL);
  ASSERT_OK(PollUntil(&supervisor,
                      [&] { return supervisor.Views()[0].num_restarts == 1; }));
  const ProcessView view = supervisor.Views()[0];
  EXPECT_EQ(view.state, ProcessState::kRunning);
  EXPECT_GT(view.peak_rss_bytes, 0);
  EXPECT_THAT(absl::StrJoin(supervisor.TakeEvents(), "\n"),
              AllOf(HasSubstr("actor started"),
                    HasSubstr("actor was killed by signal 9 (Killed); restart"),
                    HasSubstr("actor restarted")));
}

TEST_F(SupervisorTest, GivesUpAfterRestartsWithoutProgress) {
  Supervisor supervisor({Shell("actor", "echo no model; exit 1")}, Fast());
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(
      PollUntil(&supervisor, [] { return false; }),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("actor exited with code 1"),
                     HasSubstr("restarted 5 times"), HasSubstr("no model"))));
  EXPECT_EQ(supervisor.Views()[0].num_restarts, 5);
}

TEST_F(SupervisorTest, ProgressForgivesEarlierRestarts) {
  ProcessSpec spec = Shell("actor", "exit 1");
  spec.progress = [this] { return progress_; };
  Supervisor supervisor({spec}, Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] {
    ++progress_.work;
    ++progress_.furthest;
    return supervisor.Views()[0].num_restarts >= 30;
  }));
}

TEST_F(SupervisorTest, AnotherRolesProgressForgivesNothing) {
  ProcessSpec busy = Shell("feedback", "exec sleep 100");
  busy.progress = [this] {
    ++progress_.work;
    ++progress_.furthest;
    return progress_;
  };
  Supervisor supervisor({busy, Shell("learner", "exit 1")}, Fast());
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("learner exited with code 1")));
}

// As if killed again and again before the next checkpoint.
TEST_F(SupervisorTest, RedoneWorkForgivesMoreRestartsThanNoneButNotEvermore) {
  ProcessSpec spec = Shell("learner", "exit 1");
  spec.progress = [this] {
    ++progress_.work;
    return progress_;
  };
  Supervisor supervisor({spec}, Fast());
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("was restarted 20 times without getting "
                                 "further than before")));
}

TEST_F(SupervisorTest, ProcessThatRanForLongIsForgiven) {
  SupervisorOptions options = Fast();
  options.healthy_after = absl::Milliseconds(20);
  Supervisor supervisor({Shell("actor", "sleep 0.1; exit 1")}, options);
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor,
                      [&] { return supervisor.Views()[0].num_restarts >= 7; }));
}

TEST_F(SupervisorTest, CallersMistakeIsNotRetried) {
  Supervisor supervisor({Shell("learner", "echo bad field >&2; exit 2")},
                        Fast());
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("learner exited with code 2"),
                             HasSubstr("bad field"))));
  EXPECT_EQ(supervisor.Views()[0].num_restarts, 0);
}

TEST_F(SupervisorTest, MissingProgramSaysSo) {
  ProcessSpec spec = Shell("actor", "");
  spec.argv = {"/no/such/program"};
  SupervisorOptions options = Fast();
  options.max_idle_restarts = 0;
  Supervisor supervisor({spec}, options);
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("could not be executed")));
}

TEST_F(SupervisorTest, CleanExitIsDoneOnlyIfTheWorkIs) {
  ProcessSpec done = Shell("crowd", "exit 0");
  done.is_done = [] { return true; };
  ProcessSpec actor = Shell("actor", "exit 0");
  actor.progress = [this] { return Progress{++progress_.work, 0}; };
  Supervisor supervisor({done, actor}, Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] {
    return supervisor.IsDone("crowd") &&
           supervisor.Views()[1].num_restarts >= 2;
  }));
  EXPECT_EQ(supervisor.Views()[0].num_restarts, 0);
  EXPECT_FALSE(supervisor.IsDone("actor"));
}

TEST_F(SupervisorTest, StopTellsWhoDidNotEndWell) {
  Supervisor supervisor(
      {Shell("actor", "trap 'exit 0' TERM; while :; do sleep 0.01; done"),
       Shell("learner", "trap 'exit 7' TERM; touch " + (dir_ / "ready") +
                            "; while :; do sleep 0.01; done")},
      Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_NO_FATAL_FAILURE(WaitForFile(dir_ / "ready"));
  const std::vector<std::string> failures = supervisor.Stop(
      absl::Seconds(20), [](const std::vector<std::string>&) {});
  // The first may have been asked before it could say what it would do.
  ASSERT_FALSE(failures.empty());
  EXPECT_THAT(failures.back(), HasSubstr("learner exited with code 7 (log: "));
}

TEST_F(SupervisorTest, WhoSavesAndStopsBeforeItsWorkIsDoneEndsWell) {
  const std::string ready = dir_ / "ready";
  Supervisor supervisor(
      {Shell("learner",
             absl::StrCat("trap 'exit ", kStoppedEarly, "' TERM; touch ", ready,
                          "; while :; do sleep 0.01; done"))},
      Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_NO_FATAL_FAILURE(WaitForFile(ready));
  EXPECT_THAT(supervisor.Stop(absl::Seconds(20),
                              [](const std::vector<std::string>&) {}),
              testing::IsEmpty());
}

TEST_F(SupervisorTest, WhomSomebodyElseAskedToStopIsStartedAgain) {
  std::string reason;
  SupervisorOptions options = Fast();
  options.on_restart = [&](const std::string&, const char* why) {
    reason = why;
  };
  Supervisor supervisor(
      {Shell("learner", absl::StrCat("exit ", kStoppedEarly))}, options);
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] { return !reason.empty(); }));
  EXPECT_EQ(reason, "exit");
  EXPECT_THAT(absl::StrJoin(supervisor.TakeEvents(), "\n"),
              HasSubstr("learner exited with code 5 (asked to stop); restart"));
}

// A process that would run for ever, of the group "ranks".
ProcessSpec InGroup(ProcessSpec spec) {
  spec.group = "ranks";
  return spec;
}

TEST_F(SupervisorTest, ARankThatWasDoneIsRestartedWithItsGroup) {
  ProcessSpec done = InGroup(Shell("learner-1", "exit 0"));
  done.is_done = [] { return true; };
  Supervisor supervisor({InGroup(Shell("learner", "sleep 0.05; exit 1")), done},
                        Fast());
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] {
    const std::vector<ProcessView> now = supervisor.Views();
    return now[0].num_restarts >= 1 && now[1].num_restarts >= 1;
  }));
}

TEST_F(SupervisorTest, AGroupIsRestartedWholeWhenOneOfItIsKilled) {
  // The other would never end by itself.
  SupervisorOptions options = Fast();
  options.group_grace = absl::Milliseconds(20);
  std::map<std::string, std::string> reasons;
  options.on_restart = [&](const std::string& role, const char* reason) {
    reasons[role] = reason;
  };
  Supervisor supervisor({InGroup(Shell("learner", "exec sleep 100")),
                         InGroup(Shell("learner-1", "exec sleep 100")),
                         Shell("actor", "exec sleep 100")},
                        options);
  ASSERT_OK(supervisor.Start());
  const std::vector<ProcessView> before = supervisor.Views();
  ::kill(before[1].pid, SIGKILL);
  ASSERT_OK(PollUntil(&supervisor, [&] {
    const std::vector<ProcessView> now = supervisor.Views();
    return now[0].num_restarts == 1 && now[1].num_restarts == 1;
  }));
  const std::vector<ProcessView> after = supervisor.Views();
  EXPECT_NE(after[0].pid, before[0].pid);
  EXPECT_NE(after[1].pid, before[1].pid);
  EXPECT_EQ(after[2].pid, before[2].pid);
  EXPECT_THAT(reasons, UnorderedElementsAre(Pair("learner", "group"),
                                            Pair("learner-1", "signal")));
  // Only the one to blame is told of.
  const std::string events = absl::StrJoin(supervisor.TakeEvents(), "\n");
  EXPECT_THAT(events, HasSubstr("learner-1 was killed by signal 9 (Killed); "
                                "restart in"));
  EXPECT_THAT(events, testing::Not(HasSubstr("learner was killed")));
}

// A rank that hears of another's death may be gone before that one is seen.
TEST_F(SupervisorTest, WhoEndsBecauseAnotherDidIsNotBlamed) {
  SupervisorOptions options = Fast();
  std::map<std::string, std::string> reasons;
  options.on_restart = [&](const std::string& role, const char* reason) {
    reasons[role] = reason;
  };
  Supervisor supervisor(
      {InGroup(Shell("learner", absl::StrCat("while [ ! -e ", dir_ / "dead",
                                             " ]; do sleep 0.01; done; exit ",
                                             kAnotherRankFailed))),
       InGroup(Shell("learner-1", absl::StrCat("touch ", dir_ / "dead",
                                               "; sleep 0.2; exit 1")))},
      options);
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] { return reasons.size() == 2; }));
  EXPECT_THAT(reasons, UnorderedElementsAre(Pair("learner", "group"),
                                            Pair("learner-1", "error")));
  EXPECT_THAT(absl::StrJoin(supervisor.TakeEvents(), "\n"),
              HasSubstr("learner-1 exited with code 1; restart in"));
}

// Its watch ends the rank that noticed; the one that hangs is the cause.
TEST_F(SupervisorTest, WhoStandsStillIsBlamedNotWhoNoticed) {
  SupervisorOptions options = Fast();
  options.group_grace = absl::Milliseconds(20);
  std::map<std::string, std::string> reasons;
  options.on_restart = [&](const std::string& role, const char* reason) {
    reasons[role] = reason;
  };
  Supervisor supervisor(
      {InGroup(Shell("learner", absl::StrCat("exit ", kAnotherRankFailed))),
       InGroup(Shell("learner-1", "exec sleep 100"))},
      options);
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor, [&] { return reasons.size() == 2; }));
  EXPECT_THAT(reasons, UnorderedElementsAre(Pair("learner", "group"),
                                            Pair("learner-1", "stuck")));
  EXPECT_THAT(absl::StrJoin(supervisor.TakeEvents(), "\n"),
              HasSubstr("learner-1 stood still when its group ended, and was "
                        "killed; restart in"));
}

TEST_F(SupervisorTest, OthersOfAGroupMayEndByThemselvesAndSayWhy) {
  SupervisorOptions options = Fast();
  options.group_grace = kDeadline;
  const std::string dead = dir_ / "dead";
  Supervisor supervisor(
      {InGroup(Shell("learner", absl::StrCat("while ! test -e ", dead,
                                             "; do sleep 0.01; done; "
                                             "echo rank 1 died; exit 4"))),
       InGroup(
           Shell("learner-1", absl::StrCat("echo x > ", dead, "; exit 1")))},
      options);
  ASSERT_OK(supervisor.Start());
  ASSERT_OK(PollUntil(&supervisor,
                      [&] { return supervisor.Views()[0].num_restarts > 0; }));
  EXPECT_THAT(*ReadFile(dir_ / "learner.log"), HasSubstr("rank 1 died"));
}

TEST_F(SupervisorTest, AGroupGivesUpWhenOneOfItAlwaysFails) {
  SupervisorOptions options = Fast();
  options.group_grace = absl::ZeroDuration();
  Supervisor supervisor({InGroup(Shell("learner", "exec sleep 100")),
                         InGroup(Shell("learner-1", "echo no memory; exit 1"))},
                        options);
  ASSERT_OK(supervisor.Start());
  EXPECT_THAT(PollUntil(&supervisor, [] { return false; }),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("learner-1 exited with code 1"),
                             HasSubstr("no memory"))));
}

TEST_F(SupervisorTest, StopLetsProcessesSave) {
  const std::string ready = dir_ / "ready", saved = dir_ / "saved";
  Supervisor supervisor(
      {Shell("learner",
             absl::StrCat("trap 'echo x > ", saved, "; exit 0' TERM; echo x > ",
                          ready, "; while true; do sleep 0.01; done"))},
      Fast());
  ASSERT_OK(supervisor.Start());
  WaitForFile(ready);
  Stop(&supervisor, kDeadline);
  EXPECT_TRUE(FileExists(saved));
  EXPECT_EQ(supervisor.Views()[0].state, ProcessState::kStopped);
}

TEST_F(SupervisorTest, StopKillsWhoeverIgnoresIt) {
  const std::string ready = dir_ / "ready";
  Supervisor supervisor(
      {Shell("actor", absl::StrCat("trap '' TERM; echo x > ", ready,
                                   "; while true; do sleep 0.01; done"))},
      Fast());
  ASSERT_OK(supervisor.Start());
  WaitForFile(ready);
  std::vector<std::string> waited_for;
  supervisor.Stop(
      absl::Milliseconds(50),
      [&](const std::vector<std::string>& roles) { waited_for = roles; });
  EXPECT_EQ(waited_for, std::vector<std::string>{"actor"});
  EXPECT_EQ(supervisor.Views()[0].pid, 0);
}

TEST_F(SupervisorTest, LastLinesAreTheLast) {
  const std::string path = dir_ / "log";
  ASSERT_OK(WriteFileAtomically(path, "one\ntwo\nthree\n"));
  EXPECT_EQ(LastLines(path, 2), "two\nthree");
  EXPECT_EQ(LastLines(path, 9), "one\ntwo\nthree");
  EXPECT_EQ(LastLines(dir_ / "absent", 2), "");
}

}  // namespace
}  // namespace rlhf
