#include "cli/local_ranks.h"

#include <map>
#include <string>

#include "core/launch/launch_environment.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

// `environment` as a child process sees it, with these variables above it.
std::map<std::string, std::string> Above(
    std::map<std::string, std::string> environment,
    const std::vector<std::string>& variables) {
  for (const std::string& variable : variables) {
    const size_t equals = variable.find('=');
    environment[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  return environment;
}

// A rank that took torchrun's agent for the keeper of its store would wait
// there for ranks that never come.
TEST(RankEnvironmentTest, NothingOfATorchrunAroundItReachesTheRanks) {
  const std::map<std::string, std::string> torchrun = {
      {"RANK", "0"},
      {"LOCAL_RANK", "0"},
      {"WORLD_SIZE", "1"},
      {"LOCAL_WORLD_SIZE", "1"},
      {"MASTER_ADDR", "elsewhere"},
      {"MASTER_PORT", "29500"},
      {"TORCHELASTIC_USE_AGENT_STORE", "True"},
      {"TORCHELASTIC_RESTART_COUNT", "3"},
      {"TORCHELASTIC_ERROR_FILE", "/tmp/error.json"}};
  const auto environment = Above(torchrun, RankEnvironment(1, 2, 4321));
  ASSERT_OK_AND_ASSIGN(const LaunchInfo info, DetectLaunch(environment));
  EXPECT_EQ(info.OneLine(),
            "launch: torchrun rank 1/2 master 127.0.0.1:4321 restart 0");
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_world_size, 2);
  EXPECT_FALSE(info.agent_store);
  EXPECT_EQ(environment.at("TORCHELASTIC_ERROR_FILE"), "");
}

}  // namespace
}  // namespace rlhf
