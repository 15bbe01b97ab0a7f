// --set FIELD=VALUE, one a line: core/config/overrides.h.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/config/overrides.h"
#include "core/config/run_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(overrides) {
  v1::RunConfig config;
  while (!input.empty()) {
    const std::string assignment(TakePart("\n", input));
    const auto field = ApplyOverride(assignment, &config);
    CheckExplained(field.status(), {absl::StatusCode::kInvalidArgument});
    if (field.ok()) {
      RLHF_CHECK(absl::StartsWith(assignment, *field + "="));
    } else {
      RLHF_CHECK(absl::StartsWith(field.status().message(),
                                  absl::StrCat("--set ", assignment)));
    }
  }
  CheckExplained(CheckRunConfig(config), {absl::StatusCode::kInvalidArgument});
}

}  // namespace
}  // namespace rlhf
