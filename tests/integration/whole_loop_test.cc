// The whole loop with real processes and a tiny random model: `rlhf up` runs a
// configuration to its end while every role is killed once.
#include <signal.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/telemetry/http_test_client.h"
#include "crowd/feedback_http_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr int64_t kUpdates = 36;
constexpr int64_t kRollouts = 64;
constexpr int64_t kComparisons = 120;

// The process of `role` in the run that `config_path` belongs to; 0 if none.
pid_t FindRole(const std::string& role, const std::string& config_path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const auto text = ReadFile(entry.path().string() + "/cmdline");
    if (!text.ok()) continue;
    const std::vector<std::string> argv = absl::StrSplit(*text, '\0');
    if (argv.size() > 3 && argv[1] == role && argv[3] == config_path) {
      return pid;
    }
  }
  return 0;
}

// A worker of our own, who skips every task and remembers each "saved" that he
// was told.
class RememberingWorker {
 public:
  explicit RememberingWorker(const std::string& address)
      : thread_([this, address](const std::stop_token& stop) {
          Run(address, stop);
        }) {}

  // Ids of the comparisons that were acknowledged.
  std::set<std::string> Stop() {
    thread_.request_stop();
    thread_.join();
    return saved_;
  }

 private:
  void Run(const std::string& address, const std::stop_token& stop) {
    FeedbackHttpClient client(address);
    while (!stop.stop_requested() && saved_.size() < kSkips) {
      const auto task = client.TakeTask("remembering");
      if (!task.ok() || !task->has_value()) {
        WaitForShutdown(absl::Milliseconds(100));
        continue;
      }
      // The same task again has the same id, so that an answer whose
      // acknowledgement was lost is recognised; another task has another.
      const std::string id =
          absl::StrCat("mine-", (*task)->at("task_id").get<std::string>());
      const auto reply =
          PostHttp(absl::StrCat("http://", address, "/api/comparison"),
                   DumpJson({{"task_id", (*task)->at("task_id")},
                             {"comparison_id", id},
                             {"worker_id", "remembering"},
                             {"choice", "skip"},
                             {"seconds", 0.1}}),
                   absl::Seconds(5));
      if (reply.ok() && reply->status == 200) saved_.insert(id);
      // Spread over the run, so that some come before each kill.
      WaitForShutdown(absl::Milliseconds(300));
    }
  }

  static constexpr size_t kSkips = 30;
  std::set<std::string> saved_;  // the thread's own until it is joined
  std::jthread thread_;
};

class WholeLoopTest : public LoopTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LoopTest::SetUp());
    config_.mutable_ppo()->set_num_updates(kUpdates);
    config_.mutable_ppo()->set_rollouts_per_update(kRollouts);
    for (const int64_t count : {40, 80, 120}) {
      config_.mutable_preference()->add_refresh_at(count);
    }
    config_.mutable_feedback()->set_max_comparisons(kComparisons);
    for (const char* id : {"a", "b", "c", "d", "e"}) {
      v1::CrowdWorker* const worker = config_.mutable_crowd()->add_workers();
      worker->set_worker_id(id);
      worker->set_accuracy(0.9);
      worker->set_seconds_per_task(0.3);
    }
    WriteConfig();
  }

  void KillAtUpdate(const std::string& role, size_t update) {
    ASSERT_TRUE(WaitUntil(absl::Seconds(60),
                          [&] { return Updates().size() >= update; }))
        << "update " << update << " never came";
    const pid_t pid = FindRole(role, run_ + "/config.txtpb");
    // The crowd may be done already.
    if (pid == 0 && role == "crowd") return;
    ASSERT_GT(pid, 0) << role << " does not run";
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    ASSERT_TRUE(WaitUntil(absl::Seconds(30),
                          [&] {
                            const pid_t again =
                                FindRole(role, run_ + "/config.txtpb");
                            return again > 0 && again != pid;
                          }))
        << role << " was not started again";
  }

  void CheckMetrics();
  void CheckRollouts();
  void CheckComparisons();
  void CheckReport();
  void CheckTerminal();

  int64_t num_comparisons_ = 0;  // in the log, at the end
  // Comparisons of which a client was told that they are saved.
  std::set<std::string> acknowledged_;
};

// What each running process serves is what Prometheus wants to read.
void WholeLoopTest::CheckMetrics() {
  ASSERT_EQ(std::system("command -v promtool > /dev/null"), 0)
      << "promtool is missing: make setup installs it";
  const std::string& http = config_.feedback().http_address();
  int http_port = 0;
  std::string all;
  ASSERT_TRUE(absl::SimpleAtoi(http.substr(http.rfind(':') + 1), &http_port));
  for (const int port :
       {config_.up().metrics_port(), config_.learner().metrics_port(),
        config_.actor().metrics_port(), config_.reward_server().metrics_port(),
        config_.preference().metrics_port(), config_.crowd().metrics_port(),
        http_port}) {
    const HttpTestReply reply = HttpTestClient(port).Get("/metrics");
    EXPECT_EQ(reply.status, 200) << port;
    all += reply.body;
    const std::string path = folder_ / "metrics";
    ASSERT_OK(WriteFileAtomically(path, reply.body));
    EXPECT_EQ(
        std::system(absl::StrCat("promtool check metrics < ", path).c_str()), 0)
        << reply.body;
  }
  // What every run has by now.
  for (const char* series :
       {"rlhf_reward_batch_items_count", "rlhf_rollout_duration_seconds_count",
        "rlhf_weights_pull_duration_seconds_count",
        "rlhf_pm_refresh_total.result=.ok..",
        "rlhf_pm_gate_total.result=.promoted..",
        "grpc_server_handled_total.*method=.LeasePrompts.*"}) {
    EXPECT_THAT(all, ContainsRegex(absl::StrCat(series, " [1-9]")));
  }
}

// Every slot of every batch once, sampled by the version before, scored by the
// PM that the batch names.
void WholeLoopTest::CheckRollouts() {
  int64_t last_pm = 0;
  for (int64_t update = 1; update <= kUpdates; ++update) {
    JournalContents contents;
    ASSERT_OK(RolloutJournal::Open(JournalPath(run_, update), contents));
    EXPECT_EQ(contents.header.update(), update);
    EXPECT_GE(contents.header.pm().version(), last_pm);
    last_pm = contents.header.pm().version();
    std::set<std::string> ids;
    for (const v1::Rollout& rollout : contents.rollouts) {
      ids.insert(rollout.rollout_id());
      EXPECT_EQ(rollout.policy_version(), update - 1);
      EXPECT_TRUE(rollout.has_reward());
      EXPECT_EQ(rollout.pm().version(), contents.header.pm().version());
      EXPECT_EQ(rollout.pm().digest(), contents.header.pm().digest());
    }
    EXPECT_EQ(contents.rollouts.size(), kRollouts) << update;
    EXPECT_EQ(ids.size(), kRollouts) << update;
  }
}

// The log holds each judgement once, without a gap.
void WholeLoopTest::CheckComparisons() {
  const std::string path = folder_ / "export.jsonl";
  ASSERT_EQ(Wait(Start({"feedback", "export", path, "--config", config_path_})),
            0);
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  std::set<std::string> ids;
  int64_t seq = 0;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    v1::Comparison comparison;
    ASSERT_OK(JsonToProto(line, &comparison));
    EXPECT_EQ(comparison.seq(), ++seq);
    ids.insert(comparison.comparison_id());
  }
  // The run may end before the crowd has answered all.
  EXPECT_GT(seq, 40);
  EXPECT_LE(seq, kComparisons);
  EXPECT_EQ(ids.size(), static_cast<size_t>(seq));
  EXPECT_GT(acknowledged_.size(), 5u);
  for (const std::string& id : acknowledged_) {
    EXPECT_TRUE(ids.contains(id)) << id << " was acknowledged and is lost";
  }
  num_comparisons_ = seq;
}

// What happens is shown while it happens: `up` reaches roles that were not
// there when it asked first.
void WholeLoopTest::CheckTerminal() {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder_ / "up.log"));
  std::cout << text;
  const size_t promotion = text.find("PM v1 promoted: ");
  ASSERT_NE(promotion, std::string::npos);
  EXPECT_LT(promotion, text.find("update 20/"));
}

void WholeLoopTest::CheckReport() {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(run_ + "/report.json"));
  v1::Report report;
  ASSERT_OK(JsonToProto(text, &report));
  ASSERT_EQ(report.updates_size(), kUpdates);
  for (int i = 0; i < kUpdates; ++i) {
    EXPECT_EQ(report.updates(i).policy_version(), i + 1);
    EXPECT_TRUE(std::isfinite(report.updates(i).kl_k1_nats_per_sequence()));
    EXPECT_GT(report.updates(i).pm().version(), 0);
  }
  // On the anchor's scale the initial policy's rollouts have mean 0 and
  // standard deviation 1 under every PM, so the mean of a batch like the first
  // one has the standard error 1 / sqrt(rollouts). Three of them are no
  // accident.
  double second_half = 0;
  for (int i = kUpdates / 2; i < kUpdates; ++i) {
    second_half += report.updates(i).reward_anchored_mean() / (kUpdates / 2);
  }
  EXPECT_GT(second_half, 3 / std::sqrt(kRollouts));
  // Three thresholds; one refresh covers two if comparisons came faster.
  EXPECT_GE(report.pms_size(), 2);
  EXPECT_EQ(report.num_comparisons(), num_comparisons_);
  EXPECT_EQ(report.gold().num_prompts(), 10);
}

TEST_F(WholeLoopTest, FinishesAndLosesNothingThoughEveryRoleIsKilledOnce) {
  const pid_t up =
      StartProgram({"sh", "-c",
                    absl::StrCat("exec ", binary_, " up ", config_path_,
                                 " --plain > ", folder_ / "up.log")});
  ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] { return !Updates().empty(); }));
  CheckMetrics();
  RememberingWorker worker(config_.feedback().http_address());
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("feedback", 1));
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("actor", 4));
  EXPECT_THAT(
      HttpTestClient(config_.up().metrics_port()).Get("/metrics").body,
      HasSubstr("rlhf_restarts_total{component=\"actor\",reason=\"signal\"} "
                "1\n"));
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("learner", 7));
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("reward-server", 11));
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("refresher", 14));
  ASSERT_NO_FATAL_FAILURE(KillAtUpdate("crowd", 16));
  ASSERT_EQ(Wait(up), 0);
  acknowledged_ = worker.Stop();

  CheckTerminal();
  CheckRollouts();
  CheckComparisons();
  CheckReport();
}

}  // namespace
}  // namespace rlhf
