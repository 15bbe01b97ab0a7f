#include "core/telemetry/metrics_server.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/telemetry/http_test_client.h"
#include "gtest/gtest.h"
#include "prometheus/counter.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

TEST(MetricsServerTest, ServesTheRegistryAndTheProcess) {
  prometheus::Registry registry;
  prometheus::BuildCounter()
      .Name("rlhf_apples_total")
      .Help("Apples.")
      .Register(registry)
      .Add({})
      .Increment(3);
  ASSERT_OK_AND_ASSIGN(const auto server,
                       MetricsServer::Start("127.0.0.1:0", &registry));
  const HttpTestClient client(server->port());

  const HttpTestReply reply = client.Get("/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.headers.at("content-type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(reply.body, HasSubstr("\nrlhf_apples_total 3\n"));
  EXPECT_THAT(reply.body, HasSubstr("rlhf_build_info{version="));
  EXPECT_THAT(reply.body, HasSubstr("\nprocess_peak_resident_memory_bytes "));
  EXPECT_EQ(client.Get("/healthz").body, "ok\n");
  EXPECT_EQ(client.Get("/else").status, 404);
  EXPECT_EQ(client.Post("/metrics", "").status, 405);
}

TEST(MetricsResponseTest, PromtoolFindsNothingToSay) {
  ASSERT_EQ(std::system("command -v promtool > /dev/null"), 0)
      << "promtool is missing: make setup installs it";
  TempDir dir;
  prometheus::Registry registry;
  ASSERT_OK(
      WriteFileAtomically(dir / "metrics", MetricsResponse(registry).body));
  EXPECT_EQ(
      std::system(
          absl::StrCat("promtool check metrics < ", dir / "metrics").c_str()),
      0);
}

}  // namespace
}  // namespace rlhf
