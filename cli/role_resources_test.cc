#include "cli/role_resources.h"

#include "absl/strings/str_cat.h"
#include "core/config/cpu_list.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::RunConfig ActorsOn(const std::string& cpus) {
  v1::RunConfig config;
  config.set_threads(5);
  v1::RoleResources& resources = *config.mutable_up()->add_resources();
  resources.set_role("actor");
  resources.set_cpus(cpus);
  resources.set_threads(3);
  return config;
}

TEST(ResourcesOfTest, ProcessesOfARoleDivideItsCores) {
  const v1::RunConfig config = ActorsOn("0-3");
  EXPECT_THAT(ResourcesOf(config, "actor", 0, 2).cpus, ElementsAre(0, 1));
  EXPECT_THAT(ResourcesOf(config, "actor", 1, 2).cpus, ElementsAre(2, 3));
  EXPECT_EQ(ResourcesOf(config, "actor", 1, 2).threads, 3);
}

TEST(ResourcesOfTest, OtherRolesHaveAllCoresAndTheRunsThreads) {
  const ProcessResources all = ResourcesOf(ActorsOn("0"), "learner", 0, 1);
  EXPECT_THAT(all.cpus, IsEmpty());
  EXPECT_EQ(all.threads, 5);
}

TEST(CheckCpusAreHereTest, NamesTheCoresThatAreNot) {
  EXPECT_OK(CheckCpusAreHere(v1::RunConfig()));
  EXPECT_OK(CheckCpusAreHere(ActorsOn("")));
  const std::string last = absl::StrCat(kMaxCpus - 1);
  EXPECT_THAT(
      CheckCpusAreHere(ActorsOn(last)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("up.resources[0].cpus: " + last + " are not")));
}

}  // namespace
}  // namespace rlhf
