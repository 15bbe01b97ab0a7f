// tokenizer.json of a model, and a text for it behind a line "==="
// (core/text/tokenizer.h).
#include "core/base/check.h"
#include "core/text/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(tokenizer) {
  static const TempDir folder;
  WriteInput(folder / "tokenizer.json", TakePart("\n===\n", input));
  const auto tokenizer = Tokenizer::Load(folder.path());
  CheckExplained(tokenizer.status(), {absl::StatusCode::kInvalidArgument,
                                      absl::StatusCode::kUnimplemented});
  if (!tokenizer.ok()) return;
  const std::vector<int32_t> ids = (*tokenizer)->Encode(input);
  for (const int32_t id : ids) {
    RLHF_CHECK(id >= 0 && id < (*tokenizer)->vocab_size()) << id;
  }
  for (const bool skip_special : {false, true}) {
    (*tokenizer)->Decode(ids, skip_special);
  }
}

}  // namespace
}  // namespace rlhf
