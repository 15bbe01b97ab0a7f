// Weights of a model: core/nn/safetensors.h.
#include <ATen/core/Tensor.h>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/nn/safetensors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(model_weights) {
  static const TempDir folder;
  // A new file each time: a tensor of the last may lie in its file.
  static int number = 0;
  const std::string path = folder / absl::StrCat(++number);
  const std::string copy_path = folder / "copy";
  WriteInput(path, input);
  {
    const auto tensors = ReadSafetensors(path);
    CheckExplained(tensors.status(), {absl::StatusCode::kInvalidArgument});
    if (tensors.ok()) {
      size_t bytes = 0;
      for (const NamedTensor& entry : *tensors) bytes += entry.tensor.nbytes();
      // float16 grows to float32.
      RLHF_CHECK(bytes <= 2 * input.size());
      const absl::Status written = WriteSafetensors(copy_path, *tensors);
      RLHF_CHECK(written.ok()) << written;
      const auto again = ReadSafetensors(copy_path);
      RLHF_CHECK(again.ok()) << again.status();
      RLHF_CHECK(again->size() == tensors->size());
    }
  }
  RLHF_CHECK(RemoveAll(path).ok());
}

}  // namespace
}  // namespace rlhf
