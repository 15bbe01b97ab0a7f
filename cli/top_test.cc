#include "cli/top.h"

#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "core/base/shutdown.h"
#include "core/telemetry/metrics_server.h"
#include "core/telemetry/series.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

v1::RunConfig MakeConfig() {
  v1::RunConfig config;
  config.set_name("harbour");
  config.set_runs_dir("/nonexistent");
  SetFreePorts(config);
  return config;
}

TEST(RunTopTest, ARunOfWhichNobodyAnswersIsAnError) {
  EXPECT_THAT(RunTop(MakeConfig(), /*plain=*/true),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("is run \"harbour\" started?")));
}

// The actor's page alone answers, and the process is asked to stop meanwhile.
// In a process of its own: nothing takes a shutdown back.
TEST(RunTopDeathTest, ShowsWhoAnswersALineALookUntilItIsAskedToStop) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const v1::RunConfig config = MakeConfig();
        prometheus::Registry registry;
        AddCounter(registry, "rlhf_generated_tokens_total", "Tokens.", {})
            .Increment(7);
        const auto server = MetricsServer::Start(
            absl::StrCat("127.0.0.1:", config.actor().metrics_port()),
            &registry);
        ::dup2(STDERR_FILENO, STDOUT_FILENO);  // where EXPECT_EXIT looks
        RequestShutdown();
        const absl::Status status = RunTop(config, /*plain=*/true);
        ::exit(server.ok() && status.ok() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "no update yet.* - tokens/s.*restarts 0");
}

}  // namespace
}  // namespace rlhf
