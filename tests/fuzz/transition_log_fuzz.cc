// The registry's files: transitions.jsonl and, behind a line "===", the card of
// a version (core/registry/).
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/registry/model_registry.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(transition_log) {
  static const TempDir root;
  const ModelRegistry registry(root.path());
  const std::string version = registry.Directory(1);
  RLHF_CHECK(MakeDirectories(version).ok());
  WriteInput(version + "/config.json", "{}\n");
  WriteInput(root / "transitions.jsonl", TakePart("\n===\n", input));
  WriteInput(version + "/card.json", input);

  const auto aliases = registry.CurrentAliases();
  CheckExplained(aliases.status(), {absl::StatusCode::kInvalidArgument});
  if (aliases.ok()) {
    for (const auto& [alias, number] : *aliases) RLHF_CHECK(number >= 1);
  }
  const auto transitions = registry.Transitions();
  CheckExplained(transitions.status(), {absl::StatusCode::kDataLoss});
  if (transitions.ok()) {
    int64_t seq = 0;
    for (const Transition& t : *transitions) RLHF_CHECK(t.seq == ++seq);
    // What is proven is what holds.
    RLHF_CHECK(aliases.ok()) << aliases.status();
  }
  CheckExplained(registry.Get(1).status());
  CheckExplained(registry.Verify(1));
}

}  // namespace
}  // namespace rlhf
