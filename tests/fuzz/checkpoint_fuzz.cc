// manifest.json of a checkpoint: trainer/checkpoint/checkpoint_store.h.
#include "core/base/check.h"
#include "core/base/file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(checkpoint) {
  static const TempDir folder;
  static const std::string directory = folder / "000007";
  RLHF_CHECK(MakeDirectories(directory).ok());
  WriteInput(directory + "/state.json", "{}\n");
  WriteInput(directory + "/manifest.json", input);
  const absl::Status status = VerifyCheckpoint(directory);
  CheckExplained(status, {absl::StatusCode::kDataLoss});
  // The one that there is, or none: never from zero without a word.
  const auto newest = CheckpointStore(folder.path(), 1).Newest();
  RLHF_CHECK(newest.ok() == status.ok());
  CheckExplained(newest.status(), {absl::StatusCode::kDataLoss});
  if (newest.ok()) RLHF_CHECK(newest->has_value() && (*newest)->step == 7);
}

}  // namespace
}  // namespace rlhf
