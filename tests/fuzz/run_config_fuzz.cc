// Run files: core/config/run_config.h.
#include "absl/strings/match.h"
#include "core/base/check.h"
#include "core/config/run_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(run_config) {
  const auto config = ParseRunConfig(std::string(input), "run.txtpb", {});
  CheckExplained(config.status(), {absl::StatusCode::kInvalidArgument});
  if (!config.ok()) {
    RLHF_CHECK(absl::StartsWith(config.status().message(), "run.txtpb"))
        << config.status();
    return;
  }
  // What a run writes down of its configuration is that configuration.
  const auto again = ParseRunConfig(ResolvedText(*config), "again.txtpb", {});
  RLHF_CHECK(again.ok()) << again.status();
  RLHF_CHECK(ResolvedText(*again) == ResolvedText(*config));
  RLHF_CHECK(DiffConfigs(*config, *again).empty());
}

}  // namespace
}  // namespace rlhf
