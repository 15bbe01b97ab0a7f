// Each rule, broken in a copy of the code that holds it (break_rules.py), is
// seen: a simulation that would not fail without a rule proves nothing. Among
// them are incidents that befell other systems; docs/simulator.md has them all.

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulator/broken_rule.h"
#include "tests/simulator/comparison_simulation.h"
#include "tests/simulator/registry_simulation.h"
#include "tests/simulator/rollout_simulation.h"
#include "tests/simulator/seeds.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSeeds = 1000;

std::unique_ptr<Simulation> Rollouts(uint64_t seed) {
  return std::make_unique<RolloutSimulation>(
      seed, RolloutSimulation::SmallSize(seed));
}

std::unique_ptr<Simulation> Registry(uint64_t seed) {
  return std::make_unique<RegistrySimulation>(seed);
}

struct Broken {
  std::string rule;
  // What the simulation says then.
  std::string violation;

  friend std::ostream& operator<<(std::ostream& out, const Broken& broken) {
    return out << broken.rule;
  }
};

std::string Name(const testing::TestParamInfo<Broken>& info) {
  return absl::StrReplaceAll(info.param.rule, {{" ", "_"}});
}

class BrokenRulesTest : public testing::TestWithParam<Broken> {
 protected:
  // The store logs every commit that fails.
  BrokenRulesTest() { testing::internal::CaptureStderr(); }
  ~BrokenRulesTest() override {
    testing::internal::GetCapturedStderr();
    BrokenRule().clear();
  }

  void ExpectSeen(const MakeSimulation& make) {
    BrokenRule() = GetParam().rule;
    EXPECT_THAT(FirstViolation(kSeeds, make), HasSubstr(GetParam().violation));
  }

  // Half of the simulations keep open work, the others do not.
  std::unique_ptr<Simulation> Comparisons(uint64_t seed) {
    ComparisonSimulation::Size size = ComparisonSimulation::SmallSize(seed);
    if (seed % 2 == 0) size.open_work_folder = folder_ / absl::StrCat(seed);
    return std::make_unique<ComparisonSimulation>(seed, size);
  }

  const TempDir folder_;
};

using BrokenBrokerTest = BrokenRulesTest;

TEST_P(BrokenBrokerTest, IsSeen) { ExpectSeen(Rollouts); }

INSTANTIATE_TEST_SUITE_P(
    Rule, BrokenBrokerTest,
    testing::Values(
        Broken{"a late result is taken", "superseded is not accepted"},
        Broken{"a rollout is counted twice", "a slot is stored once"},
        Broken{"no reward counts as one", "no forged rollout is accepted"},
        Broken{"a lease never ends", "completes in bounded time"},
        Broken{"finished work is thrown away", "never turns stale"},
        Broken{"the newest prompt goes first", "oldest prompt is leased first"},
        Broken{"a policy may be too old", "that will be too old"},
        Broken{"a reward may be of another PM", "no forged rollout"}),
    Name);

using BrokenStoreTest = BrokenRulesTest;

TEST_P(BrokenStoreTest, IsSeen) {
  ExpectSeen([this](uint64_t seed) { return Comparisons(seed); });
}

INSTANTIATE_TEST_SUITE_P(
    Rule, BrokenStoreTest,
    testing::Values(Broken{"a retry is stored again", "twice"},
                    Broken{"saved is said of what is not", "acknowledged"},
                    Broken{"a worker answers a task twice",
                           "answers a task twice"},
                    Broken{"a restart does not ask the log", "task"}),
    Name);

using BrokenRegistryTest = BrokenRulesTest;

TEST_P(BrokenRegistryTest, IsSeen) { ExpectSeen(Registry); }

INSTANTIATE_TEST_SUITE_P(
    Rule, BrokenRegistryTest,
    testing::Values(Broken{"a promotion is made on an old view",
                           "only what it compared with"},
                    Broken{"what served is forgotten",
                           "served before is remembered"},
                    Broken{"a trial outlives its promotion", "on no trial"}),
    Name);

// What surrounds the state machines is played, and so is what is broken in it:
// this shows only that it would be seen.
using BrokenLearnerTest = BrokenRulesTest;

TEST_P(BrokenLearnerTest, IsSeen) {
  EXPECT_THAT(FirstViolation(kSeeds,
                             [](uint64_t seed) {
                               return std::make_unique<RolloutSimulation>(
                                   seed, RolloutSimulation::SmallSize(seed),
                                   GetParam().rule);
                             }),
              HasSubstr(GetParam().violation));
}

INSTANTIATE_TEST_SUITE_P(
    Flaw, BrokenLearnerTest,
    testing::Values(Broken{"resumes at version 0", "completes in bounded time"},
                    Broken{"starts over", "goes on from its newest checkpoint"},
                    Broken{"forgets the journal", "completes in bounded time"},
                    Broken{"sends what was refused again",
                           "completes in bounded time"}),
    Name);

using BrokenRefresherTest = BrokenRulesTest;

TEST_P(BrokenRefresherTest, IsSeen) {
  EXPECT_THAT(FirstViolation(kSeeds,
                             [](uint64_t seed) {
                               return std::make_unique<RegistrySimulation>(
                                   seed, GetParam().rule);
                             }),
              HasSubstr(GetParam().violation));
}

INSTANTIATE_TEST_SUITE_P(
    Flaw, BrokenRefresherTest,
    testing::Values(Broken{"compares with one and replaces another",
                           "only what it compared with"},
                    Broken{"looks before its trials only", "bring back"},
                    Broken{"trusts its memory", "bring back"}),
    Name);

TEST(UnbrokenRulesTest, TheCopiesDoWhatTheirOriginalsDo) {
  RunSeeds(200, Rollouts, /*min_events=*/100);
  RunSeeds(200, Registry, /*min_events=*/100);
}

}  // namespace
}  // namespace rlhf
