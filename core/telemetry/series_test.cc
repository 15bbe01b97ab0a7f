#include "core/telemetry/series.h"

#include "core/telemetry/metrics_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

// Else increase() would not see the first error of its kind.
TEST(CounterByCodeTest, EveryCodeIsThereBeforeItHappens) {
  prometheus::Registry registry;
  CounterByCode errors(registry, "errors_total", "Errors by code.");
  for (const char* code : {"OK", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"}) {
    EXPECT_THAT(
        MetricsResponse(registry).body,
        HasSubstr(std::string("errors_total{code=\"") + code + "\"} 0\n"));
  }
  errors.Of(absl::StatusCode::kUnavailable).Increment();
  EXPECT_THAT(MetricsResponse(registry).body,
              HasSubstr("errors_total{code=\"UNAVAILABLE\"} 1\n"));
}

}  // namespace
}  // namespace rlhf
