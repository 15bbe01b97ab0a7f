#include "tests/simulator/registry_simulation.h"

#include <memory>

#include "gtest/gtest.h"
#include "tests/simulator/seeds.h"

namespace rlhf {
namespace {

TEST(RegistrySimulationTest, HoldsItsRulesUnderFaults) {
  Counts seen = RunSeeds(
      2000,
      [](uint64_t seed) { return std::make_unique<RegistrySimulation>(seed); },
      /*min_events=*/100);
  if (FromEnvironment("RLHF_SIMULATOR_SEED").has_value()) return;
  for (const char* what :
       {"refresher dies", "report lost", "goes on with what was left",
        "promoted", "refused: something else serves", "promoted by a person",
        "promotion on an old view", "rolled back",
        "served during its trials"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
}

}  // namespace
}  // namespace rlhf
