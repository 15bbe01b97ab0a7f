#include "reward_server/registry_follower.h"

#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

class RegistryFollowerTest : public testing::Test {
 protected:
  void Publish(int64_t version) {
    ASSERT_OK(registry_
                  .Publish(version, nullptr,
                           [&](const std::string& folder) {
                             return WriteTinyPm(folder, version);
                           })
                  .status());
  }
  static int64_t VersionOf(const std::shared_ptr<const LoadedPm>& pm) {
    return pm == nullptr ? 0 : pm->version.version();
  }

  const TempDir directory_;
  const ModelRegistry registry_{directory_ / "pm"};
  const TransitionCause cause_ = {"test", "because"};
  PmSlots slots_;
  RegistryFollower follower_{registry_, at::kFloat, &slots_};
};

TEST_F(RegistryFollowerTest, AnEmptyRegistryServesNothing) {
  EXPECT_OK(follower_.Follow());
  EXPECT_EQ(VersionOf(slots_.serving()), 0);
}

TEST_F(RegistryFollowerTest, ACandidateGoesFromShadowToCanaryToServing) {
  for (const int64_t version : {1, 2}) Publish(version);
  ASSERT_OK(registry_.Promote(1, std::nullopt, cause_));
  ASSERT_OK(registry_.SetAlias("shadow", 2, cause_));
  ASSERT_OK(follower_.Follow());
  const auto candidate = slots_.shadow();
  EXPECT_EQ(VersionOf(candidate), 2);
  EXPECT_EQ(VersionOf(slots_.serving()), 1);
  EXPECT_EQ(VersionOf(slots_.canary()), 0);

  ASSERT_OK(registry_.SetAlias("canary", 2, cause_));
  ASSERT_OK(registry_.ClearAlias("shadow", cause_));
  ASSERT_OK(follower_.Follow());
  EXPECT_EQ(slots_.canary(), candidate) << "loaded twice";
  EXPECT_EQ(VersionOf(slots_.shadow()), 0);

  ASSERT_OK(registry_.Promote(2, 1, cause_));
  ASSERT_OK(follower_.Follow());
  EXPECT_EQ(slots_.serving(), candidate) << "loaded twice";
  EXPECT_EQ(VersionOf(slots_.canary()), 0);
  ASSERT_OK(registry_.RollBack(cause_).status());
  ASSERT_OK(follower_.Follow());
  EXPECT_EQ(VersionOf(slots_.serving()), 1);
}

TEST_F(RegistryFollowerTest, ATrialThatIsDamagedHarmsNobody) {
  for (const int64_t version : {1, 2}) Publish(version);
  ASSERT_OK(registry_.Promote(1, std::nullopt, cause_));
  ASSERT_OK(registry_.SetAlias("shadow", 2, cause_));
  ASSERT_OK(WriteFileAtomically(registry_.Directory(2) + "/config.json", "{}"));
  EXPECT_OK(follower_.Follow());
  EXPECT_EQ(VersionOf(slots_.serving()), 1);
  EXPECT_EQ(VersionOf(slots_.shadow()), 0);
}

TEST_F(RegistryFollowerTest, AfterARestartThePreviousOneIsHeldToo) {
  for (const int64_t version : {1, 2}) Publish(version);
  ASSERT_OK(registry_.Promote(1, std::nullopt, cause_));
  ASSERT_OK(registry_.Promote(2, 1, cause_));
  ASSERT_OK(follower_.Follow());
  EXPECT_EQ(VersionOf(slots_.serving()), 2);
  EXPECT_OK(slots_.Get(1));
}

}  // namespace
}  // namespace rlhf
