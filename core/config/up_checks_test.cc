#include "core/config/up_checks.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::vector<FieldProblem> ProblemsOf(const v1::RunConfig& config) {
  std::vector<FieldProblem> problems;
  CheckUp(config, problems);
  return problems;
}

void ExpectProblem(const v1::RunConfig& config, const std::string& field,
                   const std::string& words) {
  const std::vector<FieldProblem> problems = ProblemsOf(config);
  ASSERT_EQ(problems.size(), 1);
  EXPECT_EQ(problems[0].path, field);
  EXPECT_THAT(problems[0].message, HasSubstr(words));
}

TEST(CheckUpTest, DefaultsAndEachRoleOnceAreGood) {
  v1::RunConfig config;
  EXPECT_THAT(ProblemsOf(config), IsEmpty());
  config.mutable_reward_server()->set_address("127.0.0.1:1,127.0.0.1:2");
  config.mutable_up()->set_num_reward_servers(2);
  config.mutable_up()->set_num_actors(7);
  for (const char* role : {"learner", "actor", "reward-server", "refresher",
                           "feedback", "crowd"}) {
    v1::RoleResources& resources = *config.mutable_up()->add_resources();
    resources.set_role(role);
    resources.set_cpus("0-1");
  }
  EXPECT_THAT(ProblemsOf(config), IsEmpty());
}

TEST(CheckUpTest, EachRewardServerNeedsItsAddress) {
  v1::RunConfig config;
  config.mutable_up()->set_num_reward_servers(2);
  ExpectProblem(config, "up.num_reward_servers",
                "is 2; wanted at most one for each of the 1 in "
                "reward_server.address");
}

TEST(CheckUpTest, ARoleIsKnownAndNamedOnce) {
  v1::RunConfig config;
  config.mutable_up()->add_resources()->set_role("actors");
  ExpectProblem(config, "up.resources[0].role",
                "is \"actors\"; wanted one of learner, actor");
  config.mutable_up()->mutable_resources(0)->set_role("actor");
  config.mutable_up()->add_resources()->set_role("actor");
  ExpectProblem(config, "up.resources[1].role", "wanted each role once");
}

TEST(CheckUpTest, CoresAreAList) {
  v1::RunConfig config;
  config.mutable_up()->add_resources()->set_role("actor");
  config.mutable_up()->mutable_resources(0)->set_cpus("0-");
  ExpectProblem(config, "up.resources[0].cpus", "\"0-\" is no list of cores");
}

}  // namespace
}  // namespace rlhf
