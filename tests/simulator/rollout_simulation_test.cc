#include "tests/simulator/rollout_simulation.h"

#include <iostream>
#include <memory>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/simulator/seeds.h"

namespace rlhf {
namespace {

TEST(RolloutSimulationTest, HoldsItsRulesUnderFaults) {
  Counts seen = RunSeeds(
      3000,
      [](uint64_t seed) {
        return std::make_unique<RolloutSimulation>(
            seed, RolloutSimulation::SmallSize(seed));
      },
      /*min_events=*/100);
  if (FromEnvironment("RLHF_SIMULATOR_SEED").has_value()) return;
  // The faults and the answers all came up, so the rules were tried.
  for (const char* what : {"learner crashes while training",
                           "learner crashes before the write",
                           "learner crashes after the write",
                           "learner crashes before the answer",
                           "disk full",
                           "disk full at a checkpoint",
                           "lease reply lost",
                           "slow actor",
                           "message repeated",
                           "acknowledgement lost",
                           "actor crashes",
                           "given up",
                           "PM gone",
                           "ACCEPTED",
                           "DUPLICATE",
                           "SUPERSEDED",
                           "REFUSED",
                           "forged, STALE",
                           "forged, REFUSED",
                           "staleness 1",
                           "staleness 2",
                           "staleness 3",
                           "update made again"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
}

// A seed is worth nothing if it does not tell the same story again.
TEST(RolloutSimulationTest, ASeedTellsTheSameStoryAgain) {
  Counts first, second;
  for (Counts* seen : {&first, &second}) {
    RolloutSimulation simulation(7, RolloutSimulation::SmallSize(7));
    EXPECT_EQ(simulation.Run(), "");
    *seen = simulation.seen();
    (*seen)["events"] = simulation.num_events();
  }
  EXPECT_EQ(first, second);
}

TEST(RolloutSimulationTest, AMillionRolloutsAreEachTrainedOnExactlyOnce) {
  constexpr int64_t kRolloutsPerUpdate = 64;
  constexpr int64_t kUpdates = 1'000'000 / kRolloutsPerUpdate;
  const uint64_t seed = FromEnvironment("RLHF_SIMULATOR_SEED").value_or(1);
  const EventRate rate;
  RolloutSimulation simulation(seed, {.num_updates = kUpdates,
                                      .rollouts_per_update = kRolloutsPerUpdate,
                                      .max_staleness = 2,
                                      .num_actors = 24,
                                      .max_leases = 8,
                                      .updates_per_checkpoint = 4,
                                      .fault_share = 0.005});
  EXPECT_EQ(simulation.Run(), "") << "again with RLHF_SIMULATOR_SEED=" << seed;
  EXPECT_EQ(simulation.num_trained(), kUpdates * kRolloutsPerUpdate);
  const double per_second = rate.PerSecond(simulation.num_events());
  std::cout << absl::StrFormat("%d rollouts, %d events, %.0f events/s\n",
                               simulation.num_trained(),
                               simulation.num_events(), per_second);
  for (const auto& [what, count] : simulation.seen()) {
    std::cout << absl::StrFormat("%8d %s\n", count, what);
  }
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
  EXPECT_GE(per_second, 50'000);
#endif
}

}  // namespace
}  // namespace rlhf
