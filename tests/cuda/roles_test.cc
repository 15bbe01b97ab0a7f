// Every role refuses a device that is not there before it does anything else,
// and names the field. Needs no GPU.
#include "actor/actor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_server.h"
#include "tests/testing/status_matchers.h"
#include "trainer/candidate_maker.h"
#include "trainer/learner.h"
#include "trainer/replay.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

v1::RunConfig ConfigOn(const std::string& device) {
  v1::RunConfig config;
  config.mutable_learner()->set_device(device);
  config.mutable_actor()->set_device(device);
  config.mutable_reward_server()->set_device(device);
  config.mutable_preference()->set_device(device);
  return config;
}

void ExpectRefused(const std::string& device, absl::StatusCode code) {
  const v1::RunConfig config = ConfigOn(device);
  EXPECT_THAT(RunLearner(config, {}),
              StatusIs(code, HasSubstr("learner.device: ")));
  EXPECT_THAT(Replay(config, {}, [](const auto&) { return absl::OkStatus(); }),
              StatusIs(code, HasSubstr("learner.device: ")));
  EXPECT_THAT(RunActor(config), StatusIs(code, HasSubstr("actor.device: ")));
  EXPECT_THAT(RunRewardServer(config),
              StatusIs(code, HasSubstr("reward_server.device: ")));
  const ModelRegistry registry("unused");
  EXPECT_THAT(CandidateMaker::Load(config, &registry).status(),
              StatusIs(code, HasSubstr("preference.device: ")));
}

TEST(RolesTest, ANameThatIsNoneIsRefused) {
  ExpectRefused("gpu", absl::StatusCode::kInvalidArgument);
}

TEST(RolesTest, AGpuThatIsNotThereIsRefused) {
  ExpectRefused("cuda:99", absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rlhf
