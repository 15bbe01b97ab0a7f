// The whole loop with real processes and a tiny random model: `rlhf up` runs a
// configuration to its end while every role is killed once.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/proto_json.h"
#include "core/config/run_config.h"
#include "core/telemetry/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/experience/rollout_journal.h"

extern char** environ;

namespace rlhf {
namespace {

constexpr int64_t kUpdates = 36;
constexpr int64_t kRollouts = 64;
constexpr int64_t kComparisons = 120;

// A port that was free a moment ago. Sockets stay open until all were drawn, so
// that no port comes twice.
std::vector<int> FreePorts(size_t count) {
  std::vector<int> ports, sockets;
  while (ports.size() < count) {
    const auto socket = Listen("127.0.0.1:0");
    RLHF_CHECK(socket.ok()) << socket.status();
    sockets.push_back(socket->fd);
    ports.push_back(socket->port);
  }
  for (const int fd : sockets) ::close(fd);
  return ports;
}

std::string MakeConfig(const std::string& folder) {
  const std::vector<int> p = FreePorts(11);
  const auto address = [](int port) {
    return absl::StrCat("\"127.0.0.1:", port, "\"");
  };
  std::string workers;
  for (const char* line :
       {"worker_id: \"a\" accuracy: 0.95", "worker_id: \"b\" accuracy: 0.9",
        "worker_id: \"c\" accuracy: 0.85", "worker_id: \"d\" accuracy: 0.8",
        "worker_id: \"e\" accuracy: 0.9 left_bias: 0.2"}) {
    absl::StrAppend(&workers, "  workers { ", line,
                    " seconds_per_task: 0.3 }\n");
  }
  return absl::StrCat(
      "name: \"loop\"\nruns_dir: \"", folder, "/runs\"\n", "initial_policy: \"",
      folder, "/model\"\nprompts: \"", folder,
      "/prompts.jsonl\"\nheld_out_prompt_share: 0.3\nthreads: 1\n",
      "sampling { max_new_tokens: 8 max_prompt_tokens: 240 }\n",
      "ppo { num_updates: ", kUpdates, " rollouts_per_update: ", kRollouts,
      " num_epochs: 2 num_minibatches: 4 learning_rate: 0.003 kl_coefficient: "
      "0.001 }\n",
      "learner { address: ", address(p[0]), " metrics_port: ", p[1],
      " checkpoint_every: 4 lease_seconds: 3 }\n",
      "actor { address: ", address(p[2]), " metrics_port: ", p[3],
      " max_batch: 64 }\n", "reward_server { address: ", address(p[4]),
      " metrics_port: ", p[5], " }\n", "preference { address: ", address(p[6]),
      " metrics_port: ", p[7],
      " refresh_at: [40, 80, 120] num_epochs: 2 batch_size: 8 ",
      "learning_rate: 0.003 min_accuracy: 0 max_accuracy_drop: 1 }\n",
      "feedback { http_address: ", address(p[8]), " address: ", address(p[9]),
      " max_comparisons: ", kComparisons, " lease_seconds: 5 }\n",
      "crowd { gold_model: \"", folder, "/gold\" metrics_port: ", p[10], "\n",
      workers, "}\n", "evaluation { num_prompts: 10 }\n");
}

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

template <typename F>
bool WaitUntil(absl::Duration timeout, F&& condition) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    ::usleep(20'000);
  }
  return true;
}

class WholeLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    binary_ = std::getenv("RLHF_BINARY");
    ASSERT_TRUE(FileExists(binary_)) << binary_;
    ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
    // What a random model writes is never finished, so a PM judges.
    ASSERT_OK(WriteTinyPm(folder_ / "gold", 2));
    std::string prompts;
    for (int i = 0; i < 60; ++i) {
      absl::StrAppend(&prompts, "{\"prompt\": \"make tea ", i, "\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(folder_ / "prompts.jsonl", prompts));
    config_path_ = folder_ / "loop.txtpb";
    ASSERT_OK(WriteFileAtomically(config_path_, MakeConfig(folder_.path())));
    run_ = folder_ / "runs/loop";
  }

  // Ends what a failed test leaves behind.
  void TearDown() override {
    if (up_ > 0) {
      ::kill(up_, SIGTERM);
      ::waitpid(up_, nullptr, 0);
    }
  }

  pid_t Start(const std::vector<std::string>& words) {
    std::vector<char*> argv = {const_cast<char*>(binary_)};
    for (const std::string& word : words) {
      argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    pid_t pid = 0;
    EXPECT_EQ(
        ::posix_spawn(&pid, binary_, nullptr, nullptr, argv.data(), environ),
        0);
    return pid;
  }

  // Updates that metrics.jsonl holds.
  std::vector<v1::UpdateReport> Updates() const {
    std::map<int64_t, v1::UpdateReport> updates;
    const auto text = ReadFile(run_ + "/metrics.jsonl");
    if (!text.ok()) return {};
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      v1::UpdateReport report;
      if (!line.empty() && JsonToProto(line, &report).ok()) {
        updates[report.update()] = report;
      }
    }
    std::vector<v1::UpdateReport> list;
    for (const auto& [number, report] : updates) list.push_back(report);
    return list;
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

  void CheckRollouts();
  void CheckComparisons();
  void CheckReport();

  const char* binary_ = nullptr;
  TempDir folder_;
  std::string config_path_;
  std::string run_;
  pid_t up_ = 0;
  int64_t num_comparisons_ = 0;  // in the log, at the end
};

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
  int status = 0;
  ::waitpid(Start({"feedback", "export", path, "--config", config_path_}),
            &status, 0);
  ASSERT_EQ(status, 0);
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
  num_comparisons_ = seq;
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
  // On the anchor's scale the initial policy stands at 0, whatever the PM.
  double second_half = 0;
  for (int i = kUpdates / 2; i < kUpdates; ++i) {
    second_half += report.updates(i).reward_anchored_mean() / (kUpdates / 2);
  }
  EXPECT_GT(second_half, 0.05);
  // Three thresholds; one refresh covers two if comparisons came faster.
  EXPECT_GE(report.pms_size(), 2);
  EXPECT_EQ(report.num_comparisons(), num_comparisons_);
  EXPECT_EQ(report.gold().num_prompts(), 10);
}

TEST_F(WholeLoopTest, FinishesAndLosesNothingThoughEveryRoleIsKilledOnce) {
  up_ = Start({"up", config_path_, "--plain"});
  KillAtUpdate("feedback", 1);
  KillAtUpdate("actor", 4);
  KillAtUpdate("learner", 7);
  KillAtUpdate("reward-server", 11);
  KillAtUpdate("refresher", 14);
  KillAtUpdate("crowd", 16);
  int status = 0;
  ASSERT_EQ(::waitpid(up_, &status, 0), up_);
  up_ = 0;
  ASSERT_EQ(status, 0);

  CheckRollouts();
  CheckComparisons();
  CheckReport();
}

}  // namespace
}  // namespace rlhf
