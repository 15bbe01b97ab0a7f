#include "cli/terminal_view.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/human_format.h"
#include "gmock/gmock.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

v1::UpdateReport MakeUpdate(int64_t number, double reward) {
  v1::UpdateReport update;
  update.set_update(number);
  update.set_reward_mean(reward);
  update.set_reward_anchored_mean(reward);
  update.set_kl_k1_nats_per_token(0.0125);
  update.mutable_pm()->set_version(1);
  return update;
}

ViewState MakeState() {
  ViewState state;
  state.run_name = "quickstart";
  state.run_dir = "runs/quickstart";
  state.page_url = "http://127.0.0.1:7180/";
  state.num_updates = 24;
  state.max_comparisons = 256;
  state.learner.set_phase("generation");
  state.learner.set_policy_version(6);
  state.learner.set_rollouts_accepted(9);
  state.learner.set_rollouts_wanted(16);
  state.refresher.set_next_refresh_at(176);
  v1::PmReport* const pm = state.refresher.add_pms();
  pm->mutable_pm()->set_version(1);
  pm->set_held_out_accuracy(0.71);
  pm->set_promoted(true);
  state.feedback.set_num_comparisons(112);
  state.feedback.set_num_answers(112);
  for (int i = 1; i <= 6; ++i) state.updates.push_back(MakeUpdate(i, i * 0.1));
  state.seconds_per_update = 12;
  for (const char* role : {"reward-server", "refresher", "feedback", "actor",
                           "learner", "crowd"}) {
    state.roles.push_back({role, "running", 512 << 20, 0});
  }
  return state;
}

int Columns(const std::string& line) {
  int columns = 0;
  for (const unsigned char c : line) columns += (c & 0xC0) != 0x80;
  return columns;
}

TEST(CollapseTest, ManyProcessesOfARoleShareALineForEachState) {
  const std::vector<RoleLine> lines =
      Collapse({{"reward-server", "running"},
                {"actor", "running", 5, 1},
                {"actor-1", "running", 5, 0},
                {"actor-2", "restarting", 0, 3},
                {"actor-3", "running", 6, 2},
                {"learner", "running", 9, 0},
                {"learner-1", "running", 9, 0}});
  ASSERT_EQ(lines.size(), 5);
  EXPECT_EQ(lines[0].role, "reward-server");
  EXPECT_EQ(lines[1].role, "actor x3");
  EXPECT_EQ(lines[1].rss_bytes, 16);
  EXPECT_EQ(lines[1].num_restarts, 3);
  EXPECT_EQ(lines[2].role, "actor-2");
  EXPECT_EQ(lines[2].state, "restarting");
  EXPECT_EQ(lines[3].role, "learner");
  EXPECT_EQ(lines[4].role, "learner-1");
}

TEST(RenderTest, ShowsWhereTheRunStands) {
  const std::string text = absl::StrJoin(Render(MakeState(), 80), "\n");
  // 18 updates of 12 s are left: 216 s.
  EXPECT_THAT(text, AllOf(HasSubstr("run quickstart"), HasSubstr("6/24"),
                          HasSubstr("5.0/min"), HasSubstr("eta 3 min 36 s"),
                          HasSubstr("rollouts 9/16"), HasSubstr("+0.600"),
                          HasSubstr("0.0125 nats/token")));
  EXPECT_THAT(text, AllOf(HasSubstr("v1  held-out accuracy 0.710"),
                          HasSubstr("112/256  next PM at 176"),
                          HasSubstr("policy    v6"), HasSubstr("512 MiB"),
                          HasSubstr("http://127.0.0.1:7180/")));
}

TEST(RenderTest, FitsTheSmallestTerminal) {
  ViewState state = MakeState();
  state.event = std::string(300, 'x');
  const std::vector<std::string> lines = Render(state, 80);
  EXPECT_LT(lines.size(), 24);
  for (const std::string& line : lines) EXPECT_LE(Columns(line), 80) << line;
}

TEST(RenderTest, ControlCharactersOfOthersDoNotReachTheTerminal) {
  ViewState state = MakeState();
  state.event = "a\x1b[2Jb\nc";
  for (const std::string& line : Render(state, 80)) {
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
}

TEST(RenderTest, NewRunHasNoNumbersToInvent) {
  ViewState state;
  state.num_updates = 24;
  EXPECT_THAT(absl::StrJoin(Render(state, 80), "\n"),
              AllOf(HasSubstr("starting"), HasSubstr("0/24"),
                    HasSubstr("eta unknown yet"), HasSubstr("none yet")));
}

TEST(SparklineTest, SpansLowestToHighest) {
  EXPECT_EQ(Sparkline({0, 1}, 10), "▁█");
  EXPECT_EQ(Sparkline({0, 4, 8}, 10), "▁▅█");
  EXPECT_EQ(Sparkline({5, 5}, 10), "▁▁");
  EXPECT_EQ(Sparkline({9, 0, 1}, 2), "▁█");
  EXPECT_EQ(Sparkline({}, 10), "");
}

TEST(PlainLinesTest, EveryNewUpdateIsOneLine) {
  const ViewState before = MakeState();
  ViewState after = before;
  after.updates.push_back(MakeUpdate(7, 0.7));
  after.updates.push_back(MakeUpdate(8, 0.8));
  const std::vector<std::string> lines = PlainLines(before, after);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_THAT(lines[0],
              AllOf(HasSubstr("update 7/24"), HasSubstr("reward +0.700"),
                    HasSubstr("kl 0.0125"), HasSubstr("pm v1")));
}

TEST(PlainLinesTest, NewPmIsALineWithItsVerdict) {
  const ViewState before = MakeState();
  ViewState after = before;
  v1::PmReport* const pm = after.refresher.add_pms();
  pm->mutable_pm()->set_version(2);
  pm->set_verdict("refused: accuracy 0.40 is below 0.50");
  EXPECT_THAT(PlainLines(before, after),
              ElementsAre("PM v2 refused: accuracy 0.40 is below 0.50"));
}

TEST(PlainLinesTest, ComparisonsAreALineEvery32) {
  ViewState before = MakeState(), after = MakeState();
  before.feedback.set_num_comparisons(97);
  before.feedback.set_num_answers(97);
  after.feedback.set_num_comparisons(127);
  after.feedback.set_num_answers(127);
  EXPECT_THAT(PlainLines(before, after), IsEmpty());
  after.feedback.set_num_comparisons(128);
  after.feedback.set_num_answers(128);
  EXPECT_THAT(PlainLines(before, after), ElementsAre(HasSubstr("128/256")));
}

TEST(RenderTest, SaysWhomItWaitsFor) {
  ViewState state = MakeState();
  state.phase = "stopping";
  state.waiting_for = {"learner", "actor"};
  EXPECT_THAT(Render(state, 80)[1],
              HasSubstr("stopping: waiting for learner, actor"));
}

TEST(TerminalViewTest, PlainOutputSaysOnceWhomItWaitsFor) {
  ViewState state = MakeState();
  state.phase = "stopping";
  testing::internal::CaptureStdout();
  TerminalView view(/*plain=*/true);
  state.waiting_for = {"learner", "actor"};
  view.Show(state);
  state.waiting_for = {"learner"};
  view.Show(state);
  state.waiting_for = {};
  view.Show(state);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              StartsWith("stopping: waiting for learner, actor\nPM v1"));
}

TEST(RenderTest, APmThatIsDueIsNotAtANumberThatIsPast) {
  ViewState state = MakeState();
  state.feedback.set_num_comparisons(180);
  state.feedback.set_num_answers(180);
  EXPECT_THAT(absl::StrJoin(Render(state, 80), "\n"),
              HasSubstr("180/256  next PM is due"));
  state.refresher.set_phase("training");
  EXPECT_THAT(absl::StrJoin(Render(state, 80), "\n"),
              HasSubstr("180/256  next PM is being trained"));
}

TEST(HumanFormatTest, PicksTheUnit) {
  EXPECT_EQ(HumanSeconds(42.4), "42 s");
  EXPECT_EQ(HumanSeconds(185), "3 min 05 s");
  EXPECT_EQ(HumanSeconds(7620), "2 h 07 min");
  EXPECT_EQ(HumanBytes(12 << 20), "12 MiB");
  EXPECT_EQ(HumanBytes(int64_t{3} << 29), "1.50 GiB");
}

}  // namespace
}  // namespace rlhf
