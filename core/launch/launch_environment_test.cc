#include "core/launch/launch_environment.h"

#include <stdlib.h>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

using Environment = std::map<std::string, std::string>;

// What torchrun 2.15 gives to the second of two processes on one host, as far
// as it matters here.
Environment Torchrun() {
  return {{"RANK", "1"},
          {"LOCAL_RANK", "1"},
          {"WORLD_SIZE", "2"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"GROUP_RANK", "0"},
          {"MASTER_ADDR", "localhost"},
          {"MASTER_PORT", "39179"},
          {"TORCHELASTIC_RESTART_COUNT", "3"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
}

Environment With(Environment environment, const std::string& name,
                 const std::string& value) {
  environment[name] = value;
  return environment;
}

void ExpectRefused(const Environment& environment, const std::string& message) {
  EXPECT_THAT(
      DetectLaunch(environment),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("launch environment: "), HasSubstr(message))));
}

TEST(DetectLaunchTest, NothingSetMeansASingleProcess) {
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info,
                       DetectLaunch({{"HOME", "/root"}}));
  EXPECT_EQ(info.launcher, "single");
  EXPECT_EQ(info.rank, 0);
  EXPECT_EQ(info.world_size, 1);
  EXPECT_EQ(info.OneLine(), "launch: single process");
}

TEST(DetectLaunchTest, ReadsWhatTorchrunSets) {
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info, DetectLaunch(Torchrun()));
  EXPECT_EQ(info.launcher, "torchrun");
  EXPECT_EQ(info.rank, 1);
  EXPECT_EQ(info.world_size, 2);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_world_size, 2);
  EXPECT_EQ(info.master_address, "localhost");
  EXPECT_EQ(info.master_port, 39179);
  EXPECT_EQ(info.restart_count, 3);
  EXPECT_TRUE(info.agent_store);
  EXPECT_EQ(info.OneLine(),
            "launch: torchrun rank 1/2 master localhost:39179 restart 3");
}

TEST(DetectLaunchTest, TheFourVariablesAreEnough) {
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info,
                       DetectLaunch({{"RANK", "0"},
                                     {"WORLD_SIZE", "1"},
                                     {"MASTER_ADDR", "10.0.0.1"},
                                     {"MASTER_PORT", "29500"}}));
  EXPECT_EQ(info.world_size, 1);
  EXPECT_EQ(info.local_rank, 0);
  EXPECT_EQ(info.restart_count, 0);
  EXPECT_FALSE(info.agent_store);
}

TEST(DetectLaunchTest, NamesEachMissingVariable) {
  for (const char* name :
       {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    const std::string message = std::string("but ") + name + " is not";
    Environment environment = Torchrun();
    environment.erase(name);
    ExpectRefused(environment, message);
    ExpectRefused(With(Torchrun(), name, ""), message);
  }
  ExpectRefused({{"RANK", "0"}},
                "RANK is set, but WORLD_SIZE, MASTER_ADDR, MASTER_PORT are "
                "not; set all four (torchrun does) or none");
  ExpectRefused({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}},
                "MASTER_ADDR, MASTER_PORT are set, but RANK, WORLD_SIZE are "
                "not");
}

TEST(DetectLaunchTest, RefusesNumbersOutOfRange) {
  ExpectRefused(With(Torchrun(), "RANK", "2"),
                "RANK=\"2\"; wanted a number from 0 to 1");
  ExpectRefused(With(Torchrun(), "RANK", "-1"), "RANK=\"-1\"");
  ExpectRefused(With(Torchrun(), "WORLD_SIZE", "0"), "WORLD_SIZE=\"0\"");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "0"), "from 1 to 65535");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "65536"), "from 1 to 65535");
  ExpectRefused(With(Torchrun(), "LOCAL_RANK", "2"),
                "LOCAL_RANK=\"2\"; wanted a number from 0 to 1");
}

TEST(DetectLaunchTest, RefusesWhatIsNoNumber) {
  ExpectRefused(With(Torchrun(), "RANK", "one"),
                "RANK=\"one\"; wanted a number");
  ExpectRefused(With(Torchrun(), "WORLD_SIZE", "2x"), "WORLD_SIZE=\"2x\"");
  ExpectRefused(With(Torchrun(), "MASTER_PORT", "tcp"), "MASTER_PORT=\"tcp\"");
  ExpectRefused(With(Torchrun(), "TORCHELASTIC_RESTART_COUNT", "?"),
                "TORCHELASTIC_RESTART_COUNT=\"?\"");
}

TEST(ReadEnvironmentTest, SplitsAtTheFirstEqualsSign) {
  ::setenv("RLHF_LAUNCH_TEST", "a=b", /*overwrite=*/1);
  EXPECT_EQ(ReadEnvironment()["RLHF_LAUNCH_TEST"], "a=b");
}

}  // namespace
}  // namespace rlhf
