#include "trainer/pm_plan.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

v1::PreferenceConfig Config(const std::string& text) {
  v1::PreferenceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

// Numbers 1 to `count`, one prompt each.
std::vector<PmExample> Examples(int count, const std::string& source) {
  std::vector<PmExample> examples;
  for (int i = 1; i <= count; ++i) {
    examples.push_back({.chosen = {i},
                        .rejected = {0},
                        .prompt_id = absl::StrCat(source, i),
                        .source = source,
                        .seq = i});
  }
  return examples;
}

std::vector<std::string> Names(const std::vector<MemberPlan>& plans) {
  std::vector<std::string> names;
  for (const MemberPlan& plan : plans) names.push_back(plan.member.name);
  return names;
}

TEST(PlanMembersTest, OnePmOfAllComparisonsByDefault) {
  const auto plans = PlanMembers(Config(""), Examples(10, "page"), 7);
  ASSERT_THAT(plans, SizeIs(1));
  EXPECT_EQ(plans[0].member.folder, "");
  EXPECT_EQ(plans[0].member.objective, "pm");
  EXPECT_EQ(plans[0].seed, 7U);
  EXPECT_THAT(plans[0].training, SizeIs(10));
}

TEST(UsedByMembersTest, LeavesOutWhatTrainsNoMember) {
  std::vector<PmExample> all = Examples(40, "import:helpful");
  for (const PmExample& one : Examples(30, "import:other")) all.push_back(one);
  for (const PmExample& one : Examples(20, "spam")) all.push_back(one);
  EXPECT_THAT(UsedByMembers(Config(""), all), SizeIs(90));
  EXPECT_THAT(UsedByMembers(Config("sources { from: 'spam' weight: 0 }"), all),
              SizeIs(70));
  const std::string helpful =
      "objectives { name: 'helpful' from: 'import:helpful' } "
      "sources { from: 'import:helpful' weight: 3 }";
  EXPECT_THAT(UsedByMembers(Config(helpful), all), SizeIs(40)) << "each once";
  const v1::PreferenceConfig tested = Config(helpful + " test_pm: true");
  std::set<std::string> trained, used;
  for (const MemberPlan& plan : PlanMembers(tested, all, 1)) {
    for (const PmExample& one : plan.training) trained.insert(one.prompt_id);
  }
  for (const PmExample& one : UsedByMembers(tested, all)) {
    used.insert(one.prompt_id);
  }
  EXPECT_EQ(used, trained);
  EXPECT_GT(used.size(), 40U) << "the test PM trains on its half of the rest";
}

TEST(PlanMembersTest, ObjectivesTakeTheirSourcesAndEnsemblesTheirSeeds) {
  std::vector<PmExample> all = Examples(10, "import:helpful-base");
  for (const PmExample& one : Examples(4, "page")) all.push_back(one);
  const v1::PreferenceConfig config = Config(
      "objectives { name: 'helpful' from: 'import:helpful' weight: 2 } "
      "objectives { name: 'all' weight: -1 } "
      "ensemble_size: 2 ensemble_penalty: 0.5");
  const auto plans = PlanMembers(config, all, 7);
  EXPECT_THAT(Names(plans),
              ElementsAre("helpful", "helpful-2", "all", "all-2"));
  EXPECT_THAT(plans[0].training, SizeIs(10));
  EXPECT_THAT(plans[2].training, SizeIs(14));
  EXPECT_EQ(plans[0].member.folder, "");
  EXPECT_EQ(plans[3].member.folder, "members/all-2");
  EXPECT_EQ(plans[1].member.weight, 2);
  EXPECT_NE(plans[0].seed, plans[1].seed);
  EXPECT_EQ(MembersOf(config, plans).ensemble_penalty, 0.5);
}

TEST(PlanMembersTest, TheTestPmHasTheOtherHalfOfThePrompts) {
  const std::vector<PmExample> all = Examples(400, "page");
  const auto plans = PlanMembers(Config("test_pm: true"), all, 7);
  EXPECT_THAT(Names(plans), ElementsAre("pm", "test"));
  EXPECT_EQ(plans[1].member.objective, "") << "it must not reward";
  std::set<std::string> train, test;
  for (const PmExample& one : plans[0].training) train.insert(one.prompt_id);
  for (const PmExample& one : plans[1].training) {
    test.insert(one.prompt_id);
    EXPECT_FALSE(train.contains(one.prompt_id));
  }
  EXPECT_EQ(train.size() + test.size(), 400U);
  // Five standard deviations of a fair split.
  EXPECT_NEAR(static_cast<double>(test.size()), 200, 50);
  // A version with more comparisons splits them alike.
  const auto later =
      PlanMembers(Config("test_pm: true"), Examples(800, "page"), 8);
  for (const PmExample& one : later[0].training) {
    EXPECT_FALSE(test.contains(one.prompt_id));
  }
}

TEST(PlanMembersTest, AWeightSaysHowOftenAComparisonCounts) {
  std::vector<PmExample> all = Examples(400, "crowd");
  for (const PmExample& one : Examples(10, "page")) all.push_back(one);
  for (const PmExample& one : Examples(5, "import:x")) all.push_back(one);
  const auto plans = PlanMembers(Config("sources { from: 'crowd' weight: 0.5 } "
                                        "sources { from: 'page' weight: 2 } "
                                        "sources { from: 'import' weight: 0 }"),
                                 all, 7);
  int crowd = 0, page = 0, other = 0;
  for (const PmExample& one : plans[0].training) {
    ++(one.source == "crowd" ? crowd : one.source == "page" ? page : other);
  }
  EXPECT_NEAR(crowd, 200, 50);
  EXPECT_EQ(page, 20);
  EXPECT_EQ(other, 0);
}

TEST(PlanMembersTest, NoWorkerWeighsMoreThanTheirShare) {
  std::vector<PmExample> all = Examples(30, "page");
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].worker = i < 20 ? "busy" : absl::StrCat("other ", i % 2);
  }
  const auto plans = PlanMembers(Config("max_worker_share: 0.4"), all, 7);
  double busy = 0, total = 0;
  for (const PmExample& one : plans[0].training) {
    total += one.loss_weight;
    busy += one.worker == "busy" ? one.loss_weight : 0;
  }
  EXPECT_NEAR(busy / total, 0.4, 1e-9);
  for (const PmExample& one : PlanMembers(Config(""), all, 7)[0].training) {
    EXPECT_EQ(one.loss_weight, 1) << "without a limit all are as they were";
  }
}

TEST(FreshAndReplayedTest, KeepsWhatIsFreshAndDrawsFromTheRest) {
  const std::vector<PmExample> all = Examples(1000, "page");
  const auto first = FreshAndReplayed(all, 800, 0.5, 1);
  int fresh = 0;
  for (const PmExample& one : first) fresh += one.seq > 800 ? 1 : 0;
  EXPECT_EQ(fresh, 200);
  EXPECT_NEAR(static_cast<double>(first.size()) - 200, 400, 75);
  EXPECT_THAT(FreshAndReplayed(all, 800, 0, 1), SizeIs(200));
  EXPECT_THAT(FreshAndReplayed(all, 800, 1, 1), SizeIs(1000));
  const auto second = FreshAndReplayed(all, 800, 0.5, 2);
  EXPECT_NE(first[0].seq * 1000 + first[1].seq,
            second[0].seq * 1000 + second[1].seq)
      << "another draw";
}

}  // namespace
}  // namespace rlhf
