// A preference model from comparisons to serving, with real processes: the
// refresher is killed wherever it stands, and a candidate that fails a trial
// never serves.
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/reward_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "rlhf/v1/feedback.grpc.pb.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;

class PmLifecycleTest : public LoopTest {
 protected:
  void Begin(const std::string& name) {
    config_.mutable_learner()->set_on_divergence(v1::LearnerConfig::SKIP);
    config_.set_name(name);
    run_ = RunDirectory(config_);
    WriteConfig();
    Start({"feedback", "--config", config_path_});
    Start({"reward-server", "--config", config_path_});
    rewards_ =
        std::make_unique<RewardClient>(config_.reward_server().address());
    ASSERT_TRUE(
        WaitUntil(absl::Seconds(20), [this] { return FeedbackServes(); }));
  }

  pid_t StartRefresher() {
    return Start({"refresher", "--config", config_path_});
  }

  // Kills a refresher at its work: at once in a phase that is not among
  // `killed_in`, to which it is added, else after `patience`.
  void KillAtWork(absl::Duration patience, std::set<std::string>& killed_in) {
    const pid_t refresher = StartRefresher();
    const absl::Time blow = absl::Now() + patience;
    std::string phase;
    while (absl::Now() < blow) {
      phase = Phase();
      ScoreSomething();
      if (phase != "" && phase != "watching" && !killed_in.contains(phase)) {
        break;
      }
      if (phase == "canary") UpdateUnderCanary();
    }
    ::kill(refresher, SIGKILL);
    EXPECT_EQ(Wait(refresher), -SIGKILL);
    killed_in.insert(phase);
  }

  // The next comparisons, once a PM has learned from all there are.
  void CompareMoreIfAllAreLearned(int most) {
    const std::vector<v1::PmReport> reports = Reports();
    if (num_compared_ < most && !reports.empty() &&
        reports.back().data().last_seq() == num_compared_) {
      Compare(20);
    }
  }

  // `count` comparisons more, in which people prefer what begins with "yes".
  void Compare(int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      const int n = num_compared_++;
      absl::StrAppend(&lines, "{\"prompt\": \"make tea ", n,
                      "\", \"chosen\": \"yes ", n * 7 % 100,
                      "\", \"rejected\": \"no ", n * 7 % 100, "\"}\n");
    }
    const std::string path = folder_ / absl::StrCat(num_compared_, ".jsonl");
    ASSERT_OK(WriteFileAtomically(path, lines));
    ASSERT_TRUE(WaitUntil(absl::Seconds(20), [&] {
      return Wait(Start(
                 {"feedback", "import", path, "--config", config_path_})) == 0;
    }));
  }

  // What the refresher does; "" if it does not answer. A channel that found
  // nobody would wait before it connects again, so each call has its own.
  std::string Phase() const {
    v1::RefreshStatus status;
    const auto context = ContextWithDeadline(absl::Milliseconds(300));
    const auto stub =
        v1::Refresh::NewStub(MakeChannel(config_.preference().address()));
    return stub->GetStatus(context.get(), {}, &status).ok() ? status.phase()
                                                            : "";
  }
  bool FeedbackServes() const {
    v1::FeedbackStats stats;
    const auto context = ContextWithDeadline(absl::Milliseconds(300));
    const auto stub =
        v1::Feedback::NewStub(MakeChannel(config_.feedback().address()));
    return stub->GetStats(context.get(), {}, &stats).ok();
  }

  // What actors do: dialogues that the serving PM scores.
  void ScoreSomething() {
    v1::ScoredDialogue dialogue;
    v1::Message& message = *dialogue.add_prompt();
    message.set_role("user");
    message.set_content(absl::StrCat("make tea ", num_scored_));
    dialogue.set_response(num_scored_ % 3 == 0 ? "yes" : "no no");
    ++num_scored_;
    rewards_->Score({dialogue}, 0, absl::Milliseconds(500)).IgnoreError();
  }

  // What a learner does: an update that the canary rewards, if there is one.
  void UpdateUnderCanary() {
    const auto canary = registry().Alias("canary");
    if (!canary.ok() || !canary->has_value()) return;
    v1::UpdateReport report;
    report.set_update(++num_updates_);
    report.mutable_pm()->set_version(**canary);
    EXPECT_OK(AppendLine(run_ + "/metrics.jsonl", ProtoToJsonLine(report)));
  }

  ModelRegistry registry() const {
    return ModelRegistry(run_ + "/registry/pm");
  }
  std::vector<v1::PmReport> Reports() const {
    const auto reports = ReadPmReports(run_);
    EXPECT_OK(reports);
    return reports.ok() ? *reports : std::vector<v1::PmReport>();
  }
  // Every version that served, in order.
  std::vector<int64_t> Served() const {
    std::vector<int64_t> served;
    const auto history = registry().Transitions();
    EXPECT_OK(history);
    for (const Transition& transition : *history) {
      const auto serving = transition.aliases.find("serving");
      if (serving == transition.aliases.end()) continue;
      if (served.empty() || served.back() != serving->second) {
        served.push_back(serving->second);
      }
    }
    return served;
  }

  std::unique_ptr<RewardClient> rewards_;
  int num_compared_ = 0, num_scored_ = 0;
  int64_t num_updates_ = 0;
};

TEST_F(PmLifecycleTest, ARefresherKilledAnywhereMakesEveryVersionOnce) {
  v1::PreferenceConfig& preference = *config_.mutable_preference();
  for (const int64_t at : {40, 60, 80, 100}) preference.add_refresh_at(at);
  preference.mutable_gate()->set_shadow_dialogues(8);
  preference.mutable_gate()->set_canary_updates(1);
  Begin("killed");
  Compare(40);
  std::mt19937_64 random(5);
  std::set<std::string> killed_in;
  const std::set<std::string> wanted = {"training", "shadow", "canary"};
  const absl::Time end = absl::Now() + absl::Seconds(90);
  for (int kill = 0;
       kill < 16 || !std::includes(killed_in.begin(), killed_in.end(),
                                   wanted.begin(), wanted.end());
       ++kill) {
    ASSERT_LT(absl::Now(), end);
    KillAtWork(absl::Milliseconds(200 + random() % 3000), killed_in);
    CompareMoreIfAllAreLearned(100);
  }
  // Left alone it comes to an end.
  const pid_t refresher = StartRefresher();
  EXPECT_TRUE(WaitUntil(absl::Seconds(60), [&] {
    ScoreSomething();
    UpdateUnderCanary();
    CompareMoreIfAllAreLearned(100);
    return Phase() == "watching" && !Reports().empty() &&
           Reports().back().data().last_seq() == 100;
  }));
  EXPECT_EQ(Stop(refresher), 0);

  // Every version once, whole, in pms.jsonl and in the registry.
  const std::vector<v1::PmReport> reports = Reports();
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(run_ + "/pms.jsonl"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
            static_cast<ptrdiff_t>(reports.size()));
  std::vector<int64_t> versions, promoted;
  int64_t last_seq = 0;
  for (const v1::PmReport& report : reports) {
    versions.push_back(report.pm().version());
    if (report.promoted()) promoted.push_back(report.pm().version());
    EXPECT_GT(report.data().last_seq(), last_seq) << "trained twice";
    last_seq = report.data().last_seq();
    EXPECT_OK(registry().Verify(report.pm().version()));
  }
  EXPECT_EQ(registry().Versions(), versions);
  // Nothing served that the gate has not passed, and each once.
  EXPECT_EQ(Served(), promoted);
  ASSERT_OK_AND_ASSIGN(const Aliases aliases, registry().CurrentAliases());
  EXPECT_FALSE(aliases.contains("shadow"));
  EXPECT_FALSE(aliases.contains("canary"));
}

TEST_F(PmLifecycleTest, ACandidateGoesThroughShadowAndCanaryToServing) {
  v1::PreferenceConfig& preference = *config_.mutable_preference();
  for (const int64_t at : {40, 60}) preference.add_refresh_at(at);
  preference.mutable_gate()->set_shadow_dialogues(8);
  preference.mutable_gate()->set_canary_updates(2);
  Begin("trials");
  Compare(40);
  const pid_t refresher = StartRefresher();
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(30), [&] { return Reports().size() == 1; }));
  Compare(20);
  std::vector<std::string> phases;
  ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] {
    const std::string phase = Phase();
    if (phases.empty() || phases.back() != phase) phases.push_back(phase);
    ScoreSomething();
    UpdateUnderCanary();
    return Reports().size() == 2;
  }));
  EXPECT_EQ(Stop(refresher), 0);
  EXPECT_THAT(phases, testing::IsSupersetOf({"shadow", "canary"}));
  EXPECT_THAT(Served(), ElementsAre(1, 2));
  const v1::PmReport report = Reports()[1];
  EXPECT_TRUE(report.promoted());
  EXPECT_THAT(report.verdict(),
              ContainsRegex("beside the serving PM on [0-9]+ live dialogues "
                            "of 8 wanted"));
  EXPECT_THAT(
      report.verdict(),
      ContainsRegex("rewarded [0-9]+ updates on trial, 2 wanted, 0 of"));
}

TEST_F(PmLifecycleTest, ACandidateThatFailsInTheShadowNeverServes) {
  v1::PreferenceConfig& preference = *config_.mutable_preference();
  for (const int64_t at : {60, 80}) preference.add_refresh_at(at);
  preference.mutable_gate()->set_shadow_dialogues(8);
  preference.mutable_gate()->set_max_score_offset(1e-9);
  Begin("refused");
  Compare(60);
  const pid_t refresher = StartRefresher();
  ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] {
    ScoreSomething();
    CompareMoreIfAllAreLearned(80);
    return Reports().size() == 2;
  }));
  EXPECT_EQ(Stop(refresher), 0);
  EXPECT_THAT(Served(), ElementsAre(1));
  const v1::PmReport report = Reports()[1];
  EXPECT_FALSE(report.promoted());
  EXPECT_THAT(report.verdict(), HasSubstr("refused: mean score"));
  const v1::GateCheck& last = *report.checks().rbegin();
  EXPECT_EQ(last.name(), "shadow score offset");
  EXPECT_FALSE(last.passed());
}

// The first PM takes longer dialogues than all that are trained here.
TEST_F(PmLifecycleTest, ACanaryThatCannotScoreADialogueNeverServes) {
  const std::string short_model = folder_ / "short";
  ASSERT_OK(WriteTinyModel(short_model, 1));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(short_model + "/config.json"));
  ASSERT_OK_AND_ASSIGN(Json json, ParseJson(text));
  json["max_position_embeddings"] = 128;
  ASSERT_OK(WriteFileAtomically(short_model + "/config.json", json.dump()));
  v1::PreferenceConfig& preference = *config_.mutable_preference();
  preference.set_initial_model(short_model);
  preference.set_max_tokens(128);
  preference.add_refresh_at(40);
  preference.mutable_gate()->set_canary_updates(2);
  preference.mutable_gate()->set_significance(0);
  Begin("unscored");
  ASSERT_OK(registry()
                .Publish(1, nullptr,
                         [](const std::string& folder) {
                           return WriteTinyPm(folder, 3);
                         })
                .status());
  ASSERT_OK(registry().Promote(1, std::nullopt, {"test", "the first"}));
  Compare(40);
  const pid_t refresher = StartRefresher();
  v1::ScoredDialogue dialogue;
  v1::Message& message = *dialogue.add_prompt();
  message.set_role("user");
  message.set_content("make tea");
  for (int i = 0; i < 200; ++i) dialogue.mutable_response()->append("no ");
  ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] {
    // An actor that has a lease of the canary's batch.
    const auto canary = registry().Alias("canary");
    if (canary.ok() && canary->has_value()) {
      rewards_->Score({dialogue}, **canary, absl::Milliseconds(500))
          .IgnoreError();
    }
    return Reports().size() == 1;
  }));
  EXPECT_EQ(Stop(refresher), 0);
  EXPECT_THAT(Reports()[0].verdict(),
              HasSubstr("could not score a live dialogue: dialogues[0]: a "
                        "dialogue of"));
  EXPECT_THAT(Served(), ElementsAre(1));
  ASSERT_OK_AND_ASSIGN(const Aliases aliases, registry().CurrentAliases());
  EXPECT_FALSE(aliases.contains("canary"));
}

TEST_F(PmLifecycleTest, OfTwoRefreshersOneWrites) {
  config_.mutable_preference()->add_refresh_at(40);
  Begin("two");
  const pid_t first = StartRefresher();
  ASSERT_TRUE(WaitUntil(absl::Seconds(20), [&] { return Phase() != ""; }));
  // On ports of its own, so that only the lock stands in its way.
  EXPECT_EQ(Wait(Start({"refresher", "--config", config_path_, "--set",
                        "preference.address=\"127.0.0.1:0\""})),
            2);
  Compare(40);
  EXPECT_TRUE(
      WaitUntil(absl::Seconds(30), [&] { return Reports().size() == 1; }));
  EXPECT_EQ(Stop(first), 0);
}

// Members of several objectives, an ensemble of two, and the test PM are
// published, served and scored as one version.
TEST_F(PmLifecycleTest, SeveralPmsAreOneVersion) {
  v1::PreferenceConfig& preference = *config_.mutable_preference();
  preference.add_refresh_at(60);
  preference.set_ensemble_size(2);
  preference.set_ensemble_penalty(1);
  preference.set_test_pm(true);
  preference.add_objectives()->set_name("helpful");
  Begin("members");
  Compare(60);
  const pid_t refresher = StartRefresher();
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(40), [&] { return Reports().size() == 1; }));
  EXPECT_THAT(Reports()[0].members(),
              ElementsAre("helpful", "helpful-2", "test"));
  v1::ScoredDialogue dialogue;
  v1::Message& message = *dialogue.add_prompt();
  message.set_role("user");
  message.set_content("make tea");
  dialogue.set_response("yes");
  absl::StatusOr<ScoreResult> result;
  ASSERT_TRUE(WaitUntil(absl::Seconds(20), [&] {
    result = rewards_->Score({dialogue}, 0, absl::Seconds(1));
    return result.ok();
  }));
  ASSERT_EQ(result->members.size(), 3U);
  const double a = result->members[0].scores(0),
               b = result->members[1].scores(0);
  EXPECT_NEAR(result->scores[0], (a + b) / 2 - std::abs(a - b) / 2, 1e-5);
  EXPECT_EQ(Stop(refresher), 0);
}

}  // namespace
}  // namespace rlhf
