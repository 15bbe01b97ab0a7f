#include "trainer/experience/staleness_gate.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(StalenessGateTest, WithoutStalenessOnlyTheLiveVersionFeedsAnUpdate) {
  const StalenessGate gate(/*max_staleness=*/0);

  EXPECT_EQ(gate.MinVersion(5), 4);
  EXPECT_FALSE(gate.Admits(3, 5));
  EXPECT_TRUE(gate.Admits(4, 5));
}

TEST(StalenessGateTest, TheFirstUpdateTakesTheInitialPolicyOnly) {
  for (const int64_t max_staleness : {0, 3}) {
    const StalenessGate gate(max_staleness);
    EXPECT_EQ(gate.MinVersion(1), 0);
    EXPECT_TRUE(gate.Admits(0, 1));
    EXPECT_FALSE(gate.Admits(-1, 1));
    EXPECT_FALSE(gate.Admits(1, 1));
  }
}

TEST(StalenessGateTest, AVersionFromTheFutureIsNeverAdmitted) {
  EXPECT_FALSE(StalenessGate(2).Admits(5, 5));
  EXPECT_FALSE(StalenessGate(2).Admits(6, 5));
}

// floor((N - 1) / B) <= i + eta, for the first and the last rollout of a batch.
TEST(StalenessGateTest, IsTheRuleOfAreal) {
  constexpr int64_t kBatch = 4;
  for (int64_t eta = 0; eta <= 3; ++eta) {
    const StalenessGate gate(eta);
    for (int64_t n = 1; n <= 40; ++n) {
      const int64_t update = (n - 1) / kBatch + 1;
      for (int64_t version = 0; version < update; ++version) {
        EXPECT_EQ(gate.Admits(version, update),
                  (n - 1) / kBatch <= version + eta)
            << "eta " << eta << ", rollout " << n << ", version " << version;
      }
    }
  }
}

}  // namespace
}  // namespace rlhf
