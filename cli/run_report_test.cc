#include "cli/run_report.h"

#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/proto_json.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunReportTest : public testing::Test {
 protected:
  RunReportTest() {
    config_.set_name("test");
    config_.mutable_ppo()->set_num_updates(3);
    config_.mutable_evaluation()->set_num_prompts(10);
  }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(dir_ / name, text));
  }

  // Three updates, the second of them done twice; the PM changes once.
  void WriteUpdates() {
    Write("metrics.jsonl", R"({"update": 1, "policy_version": 1,)"
                           R"( "pm": {"version": 1}, "generation_seconds": 1}
{"update": 2, "pm": {"version": 1}, "generation_seconds": 50}
{"update": 2, "pm": {"version": 1}, "generation_seconds": 2, "update_seconds": 5}
{"update": 3, "policy_version": 3, "pm": {"version": 2},)"
                           R"( "generation_seconds": 3}
)");
  }

  const TempDir dir_;
  v1::RunConfig config_;
};

TEST_F(RunReportTest, RepeatedUpdateCountsOnceAsItWasDoneLast) {
  WriteUpdates();
  ASSERT_OK_AND_ASSIGN(const v1::Report report,
                       BuildReport(dir_.path(), config_));
  ASSERT_EQ(report.updates_size(), 3);
  EXPECT_EQ(report.updates(1).generation_seconds(), 2);
}

TEST_F(RunReportTest, PhasesAreSumsOverUpdatesAndPms) {
  WriteUpdates();
  Write("pms.jsonl", R"({"pm": {"version": 1}, "train_seconds": 4}
{"pm": {"version": 2}, "train_seconds": 100}
{"pm": {"version": 2}, "train_seconds": 6}
)");
  ASSERT_OK_AND_ASSIGN(const v1::Report report,
                       BuildReport(dir_.path(), config_));
  std::map<std::string, double> seconds;
  for (const v1::PhaseTime& phase : report.phases()) {
    seconds[phase.phase()] = phase.seconds();
  }
  EXPECT_EQ(seconds["generation"], 1 + 2 + 3);
  EXPECT_EQ(seconds["update"], 5);
  EXPECT_EQ(seconds["preference_model"], 4 + 6);
  EXPECT_EQ(report.pms_size(), 2);
}

TEST_F(RunReportTest, SwapsAreChangesOfThePmBetweenUpdates) {
  WriteUpdates();
  ASSERT_OK_AND_ASSIGN(const v1::Report report,
                       BuildReport(dir_.path(), config_));
  EXPECT_EQ(report.num_pm_swaps_during_ppo(), 1);
}

TEST_F(RunReportTest, SessionsAddUp) {
  v1::Report session;
  session.set_started("monday");
  session.set_finished("tuesday");
  session.set_wall_seconds(10);
  session.set_num_comparisons(5);
  auto* process = session.add_processes();
  process->set_role("actor");
  process->set_peak_rss_bytes(300);
  process->set_num_restarts(1);
  ASSERT_OK(AppendSession(dir_.path(), session));
  session.set_started("wednesday");
  session.set_finished("thursday");
  session.set_num_comparisons(9);
  process->set_peak_rss_bytes(200);
  session.add_workers()->set_worker_id("ann");
  ASSERT_OK(AppendSession(dir_.path(), session));

  ASSERT_OK_AND_ASSIGN(const v1::Report report,
                       BuildReport(dir_.path(), config_));
  EXPECT_EQ(report.started(), "monday");
  EXPECT_EQ(report.finished(), "thursday");
  EXPECT_EQ(report.wall_seconds(), 20);
  EXPECT_EQ(report.num_comparisons(), 9);
  ASSERT_EQ(report.processes_size(), 1);
  EXPECT_EQ(report.processes(0).peak_rss_bytes(), 300);
  EXPECT_EQ(report.processes(0).num_restarts(), 2);
  EXPECT_EQ(report.workers_size(), 1);
}

TEST_F(RunReportTest, CompleteMeansAllUpdatesAndTheFinalPolicyEvaluated) {
  WriteUpdates();
  const auto complete = [&] {
    return IsComplete(*BuildReport(dir_.path(), config_), config_);
  };
  EXPECT_FALSE(complete());
  Write("gold.json", R"({"final_policy_version": 2})");
  EXPECT_FALSE(complete());
  Write("gold.json", R"({"final_policy_version": 3})");
  EXPECT_TRUE(complete());
  config_.mutable_ppo()->set_num_updates(4);
  EXPECT_FALSE(complete());
}

TEST_F(RunReportTest, WithoutEvaluationTheUpdatesAreEnough) {
  WriteUpdates();
  config_.mutable_evaluation()->set_num_prompts(0);
  EXPECT_TRUE(IsComplete(*BuildReport(dir_.path(), config_), config_));
}

TEST_F(RunReportTest, FileUsesTheProtosFieldNamesAndReadsBack) {
  WriteUpdates();
  ASSERT_OK_AND_ASSIGN(const v1::Report report,
                       BuildReport(dir_.path(), config_));
  ASSERT_OK(WriteReport(dir_.path(), report));
  const std::string text = *ReadFile(dir_ / "report.json");
  // Zeros are written too: a reader need not know the schema.
  EXPECT_THAT(text, AllOf(HasSubstr("\"kl_k1_nats_per_token\": 0"),
                          HasSubstr("\"num_pm_swaps_during_ppo\": \"1\"")));
  v1::Report copy;
  ASSERT_OK(JsonToProto(text, &copy));
  EXPECT_EQ(copy.updates_size(), 3);
}

TEST_F(RunReportTest, BrokenLineIsNamed) {
  Write("metrics.jsonl", "{\"update\": 1}\n{\"updat\n");
  EXPECT_THAT(
      BuildReport(dir_.path(), config_),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("metrics.jsonl:2: ")));
}

TEST_F(RunReportTest, SummaryHasEveryPart) {
  WriteUpdates();
  Write("pms.jsonl",
        R"({"pm": {"version": 2}, "held_out_accuracy": 0.75, "promoted": true})"
        "\n");
  Write("gold.json", R"({"num_prompts": 10, "win_rate": 0.65,)"
                     R"( "final_policy_version": 3})");
  const std::string text = SummaryTable(*BuildReport(dir_.path(), config_));
  EXPECT_THAT(text, AllOf(HasSubstr("run test: 3 updates"),
                          HasSubstr("   0.750 [0.000, 0.000] on 0"),
                          HasSubstr("policy v3 against the initial policy: "
                                    "65.0 %"),
                          HasSubstr("generation         6 s")));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 80) << line;
  }
}

}  // namespace
}  // namespace rlhf
