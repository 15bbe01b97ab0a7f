#include "tests/simulator/comparison_simulation.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulator/seeds.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

class ComparisonSimulationTest : public testing::Test {
 protected:
  // The store logs every commit that fails.
  ComparisonSimulationTest() { testing::internal::CaptureStderr(); }
  ~ComparisonSimulationTest() override {
    testing::internal::GetCapturedStderr();
  }
};

TEST_F(ComparisonSimulationTest, HoldsItsRulesUnderFaults) {
  Counts seen = RunSeeds(
      5000,
      [](uint64_t seed) {
        return std::make_unique<ComparisonSimulation>(
            seed, ComparisonSimulation::SmallSize(seed));
      },
      /*min_events=*/10);
  if (FromEnvironment("RLHF_SIMULATOR_SEED").has_value()) return;
  for (const char* what :
       {"dies before the insert", "dies between insert and acknowledgement",
        "disk full", "a commit fails", "a commit is made without a word",
        "a commit takes long", "time of day set", "task lost on its way",
        "types longer than the lease", "a second tab", "closes the page",
        "answer repeated", "acknowledgement lost", "gives up an answer",
        "saved", "saved before", "answer: FAILED_PRECONDITION"}) {
    EXPECT_GT(seen[what], 50) << what;
  }
}

// What people have in hand outlives the process then.
TEST_F(ComparisonSimulationTest, HoldsItsRulesWithOpenWorkInFiles) {
  const TempDir folder;
  Counts seen = RunSeeds(
      200,
      [&folder](uint64_t seed) {
        ComparisonSimulation::Size size = ComparisonSimulation::SmallSize(seed);
        size.open_work_folder = folder / absl::StrCat(seed);
        return std::make_unique<ComparisonSimulation>(seed, size);
      },
      /*min_events=*/10);
  if (FromEnvironment("RLHF_SIMULATOR_SEED").has_value()) return;
  EXPECT_GT(seen["dies between insert and acknowledgement"], 20);
  EXPECT_GT(seen["saved, extra"], 20);
}

}  // namespace
}  // namespace rlhf
