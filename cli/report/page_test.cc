#include "cli/report/page.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

v1::UpdateReport Update(int64_t number, int64_t pm, double kl, double reward) {
  v1::UpdateReport update;
  update.set_update(number);
  update.set_policy_version(number);
  update.mutable_pm()->set_version(pm);
  update.set_kl_k1_nats_per_sequence(kl);
  update.set_kl_k3_nats_per_sequence(kl);
  update.set_kl_k1_nats_per_token(kl / 10);
  update.set_reward_anchored_mean(reward);
  update.set_response_tokens_mean(20);
  return update;
}

v1::PmReport Pm(int64_t version, bool promoted) {
  v1::PmReport pm;
  pm.mutable_pm()->set_version(version);
  pm.mutable_pm()->set_digest(absl::StrCat("digest", version));
  pm.mutable_data()->set_last_seq(100 * version);
  pm.set_held_out_accuracy(0.7);
  pm.set_held_out_accuracy_low(0.6);
  pm.set_held_out_accuracy_high(0.8);
  pm.set_num_held_out(40);
  pm.set_promoted(promoted);
  pm.set_promoted_at_update(3);
  pm.set_verdict("its verdict");
  v1::GateCheck& check = *pm.add_checks();
  check.set_name("accuracy");
  check.set_passed(promoted);
  check.set_detail("28 of 40 pairs right");
  return pm;
}

Transition Serving(int64_t serving, int64_t previous, const std::string& by) {
  return {.cause = {.by = by, .reason = "why it moved"},
          .aliases = {{"serving", serving}, {"previous", previous}}};
}

v1::Comparison Choice(const std::string& worker, const std::string& prompt,
                      const std::string& answer) {
  v1::Comparison comparison;
  comparison.mutable_prompt()->set_prompt_id(prompt);
  v1::Message& message = *comparison.mutable_prompt()->add_messages();
  message.set_role("user");
  message.set_content(prompt);
  comparison.set_response_a("the old answer");
  comparison.set_response_b(answer);
  comparison.set_choice(v1::B_BETTER);
  comparison.set_policy_version_b(8);
  comparison.set_worker_id(worker);
  comparison.set_source("page");
  comparison.set_committed_unix_ms(1'700'000'000'000);
  return comparison;
}

People PeopleOf(const std::vector<v1::Comparison>& comparisons) {
  PeopleTally tally = *PeopleTally::Create(v1::WorkerTestConfig(), {});
  int64_t seq = 0;
  for (v1::Comparison comparison : comparisons) {
    comparison.set_seq(++seq);
    tally.Add(comparison);
  }
  return tally.Finish();
}

// A run with something in every section.
ReportData WholeRun() {
  ReportData data;
  data.config.set_name("harbour");
  data.config.mutable_ppo()->set_num_updates(4);
  data.versions = "rlhf 1.2.3\n";
  data.num_sessions = 2;
  data.num_updates_repeated = 1;
  for (int i = 1; i <= 4; ++i) {
    *data.report.add_updates() = Update(i, i < 3 ? 1 : 2, i, 0.5 * i);
  }
  data.report.mutable_updates(1)->set_left_out("KL above 20 nats");
  *data.report.add_pms() = Pm(1, true);
  *data.report.add_pms() = Pm(2, false);
  data.report.mutable_gold()->set_num_prompts(100);
  data.report.mutable_gold()->set_win_rate(0.89);
  v1::ProcessReport& actor = *data.report.add_processes();
  actor.set_role("actor");
  actor.set_num_restarts(3);
  data.transitions = std::vector<Transition>{
      Serving(1, 0, "gate"), Serving(2, 1, "gate"), Serving(1, 2, "ann")};
  data.held_out[1] = {
      {"calibration",
       {{{"num_pairs", 10}, {"confidence", 0.8}, {"accuracy", 0.7}}}}};
  data.people = PeopleOf({Choice("ada", "why?", "because")});
  UpdateSample& sample = data.samples->emplace_back();
  sample.update = 4;
  sample.rollout.set_response_text("an answer of policy v3");
  sample.rollout.set_reward(0.25);
  v1::OrderRecord& order = data.orders->emplace_back();
  order.mutable_order()->set_seq(1);
  order.mutable_order()->set_by("ann");
  order.mutable_order()->set_reason("it drifts");
  order.set_field("ppo.kl_coefficient");
  order.set_old_value(0.001);
  order.set_new_value(0.02);
  order.set_from_update(3);
  v1::BatchReport& batch = *data.batches->add_batches();
  batch.set_batch_id("batch-1");
  batch.set_verdict(v1::BATCH_QUARANTINED);
  v1::Retraction& retraction = data.retractions->emplace_back();
  retraction.set_who("ann");
  retraction.set_reason("was a script");
  return data;
}

std::vector<std::string> SectionIds(const std::string& page) {
  std::vector<std::string> ids;
  const std::vector<std::string> parts = absl::StrSplit(page, "<section id=\"");
  for (size_t i = 1; i < parts.size(); ++i) {
    ids.push_back(parts[i].substr(0, parts[i].find('"')));
  }
  return ids;
}

const auto kAllSections =
    ElementsAre("policy", "pms", "elo", "answers", "comparisons", "workers",
                "orders", "faults", "cost", "configuration", "versions");

TEST(ReportPageTest, EverySectionIsThereInOrderWithWhatTheRunHas) {
  const std::string page = ReportPage(WholeRun());
  EXPECT_THAT(SectionIds(page), kAllSections);
  EXPECT_THAT(page, Not(HasSubstr("class=\"missing\">Curves")));
  EXPECT_THAT(
      page, AllOf(HasSubstr("<h1>harbour</h1>"), HasSubstr("89.0 %"),
                  HasSubstr("Reward by update"), HasSubstr("PM v2"),
                  HasSubstr("0.700 [0.600, 0.800] on 40"),
                  HasSubstr("accuracy: 28 of 40 pairs right"),
                  HasSubstr("Calibration of PM v1"),
                  HasSubstr("v2 taken back: why it moved"),
                  HasSubstr("an answer of policy v3"),
                  HasSubstr("ppo.kl_coefficient 0.001 -&gt; 0.02, from update "
                            "3 on"),
                  HasSubstr("it drifts"), HasSubstr("was a script"),
                  HasSubstr("quarantined"), HasSubstr("actor 3"),
                  HasSubstr("update 2: KL above 20 nats"),
                  HasSubstr("rlhf 1.2.3"), HasSubstr("digest2")));
}

TEST(ReportPageTest, AsksNobodyForAnything) {
  const std::string page = ReportPage(WholeRun());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* foreign : {"<script", "<link", "<img", "@import", "url(",
                              "src=", "https://", "<iframe"}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
  // An address is a name here: that of the language of the pictures.
  std::string rest = page;
  const std::string svg = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (size_t at = rest.find(svg); at != rest.npos; at = rest.find(svg)) {
    rest.erase(at, svg.size());
  }
  EXPECT_THAT(rest, Not(HasSubstr("http://")));
}

TEST(ReportPageTest, HostileTextStaysText) {
  const std::string evil = "</pre></td>\"'><script>alert(1)</script>";
  ReportData data = WholeRun();
  data.config.set_name(evil);
  data.config.set_initial_policy(evil);
  data.versions = evil;
  data.report.set_started(evil);
  data.report.mutable_updates(0)->set_left_out(evil);
  data.report.mutable_updates(0)->set_parameter_hash(evil);
  data.report.mutable_pms(1)->mutable_checks(0)->set_detail(evil);
  data.report.mutable_pms(0)->set_verdict(evil);
  data.report.mutable_pms(0)->mutable_pm()->set_digest(evil);
  data.report.mutable_processes(0)->set_role(evil);
  data.transitions->at(0).cause = {evil, evil};
  data.transitions->at(2).cause = {evil, evil};
  data.orders->at(0).mutable_order()->set_by(evil);
  data.orders->at(0).mutable_order()->set_reason(evil);
  data.people = PeopleOf({Choice(evil, evil, evil)});
  data.samples->at(0).rollout.set_response_text(evil + '\x01' + "\xff");
  data.batches->mutable_batches(0)->set_source(evil);
  data.batches->mutable_batches(0)->set_reason(evil);
  data.retractions->at(0).set_reason(evil);
  const std::string page = ReportPage(data);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("\x01")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(SectionIds(page), kAllSections);
}

TEST(ReportPageTest, WhatIsMissingIsSaidInOneLineEach) {
  ReportData data;
  data.config.set_name("new");
  data.people = absl::NotFoundError("there is no preference store");
  data.retractions = absl::NotFoundError("there is no preference store");
  data.batches = absl::NotFoundError("there is no preference store");
  data.samples = absl::DataLossError("rollouts/000001.pb is damaged");
  data.transitions = absl::DataLossError("transitions.jsonl:3: forged");
  data.orders = absl::DataLossError("control.jsonl:2: forged");
  const std::string page = ReportPage(data);
  EXPECT_THAT(SectionIds(page), kAllSections);
  for (const char* line :
       {"Curves: no update", "Gold evaluation:", "Gate: no PM",
        "Who served when: transitions.jsonl:3: forged",
        "Elo: there is no preference store",
        "Answers: rollouts/000001.pb is damaged",
        "One prompt, two policies:", "Comparisons: there is no",
        "Workers: there is no", "Orders: control.jsonl:2: forged",
        "Faults: none in the records", "Memory: ", "Time: ", "Models: none"}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("class=\"missing\">", line)));
  }
}

TEST(ReportPageTest, ARunWithAStoreAndNoGamesSaysThatEloIsMissing) {
  ReportData data = WholeRun();
  v1::Comparison same = Choice("ada", "why?", "because");
  same.set_policy_version_a(8);
  data.people = PeopleOf({same});
  data.batches = v1::BatchList();
  data.retractions->clear();
  EXPECT_THAT(
      ReportPage(data),
      AllOf(HasSubstr("class=\"missing\">Elo: no comparison is between two "
                      "known policy versions (1 are of one version"),
            HasSubstr("class=\"missing\">Batches: none was imported"),
            HasSubstr("class=\"missing\">Retractions: nothing")));
}

TEST(ReportPageTest, WhatIsNoNumberLeavesTheOtherUpdatesInTheCurves) {
  ReportData data = WholeRun();
  data.report.mutable_updates(1)->set_reward_anchored_mean(NAN);
  data.report.mutable_updates(2)->set_kl_k1_nats_per_sequence(-INFINITY);
  data.report.mutable_updates(2)->set_kl_k3_nats_per_sequence(INFINITY);
  const std::string page = ReportPage(data);
  EXPECT_THAT(SectionIds(page), kAllSections);
  const size_t begin = page.find("<section id=\"policy\">");
  const std::string curves =
      page.substr(begin, page.find("<section id=\"pms\">") - begin);
  EXPECT_THAT(curves, AllOf(HasSubstr("KL per answer"), Not(HasSubstr("nan")),
                            Not(HasSubstr("inf")), Not(HasSubstr("no data"))));
}

TEST(ReportPageTest, ADatabasesPasswordIsNotShown) {
  ReportData data = WholeRun();
  data.config.mutable_feedback()->set_database(
      "postgresql://rlhf:hunter2@db/rlhf");
  EXPECT_THAT(ReportPage(data), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace rlhf
