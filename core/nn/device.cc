#include "core/nn/device.h"

#include <ATen/detail/CUDAHooksInterface.h>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

// 0 in a build without CUDA, too.
int CountGpus() {
  const at::CUDAHooksInterface& hooks = at::detail::getCUDAHooks();
  return hooks.hasCUDA() ? hooks.deviceCount() : 0;
}

}  // namespace

absl::StatusOr<at::Device> ChooseDevice(absl::string_view name,
                                        int local_rank) {
  if (name != "cpu" && name != "cuda" && name != "auto") {
    return absl::InvalidArgumentError(absl::StrCat(
        "device is \"", name, "\"; wanted \"auto\", \"cpu\" or \"cuda\""));
  }
  if (name == "cpu") return at::Device(at::kCPU);
  const int count = CountGpus();
  if (name == "auto" && count == 0) return at::Device(at::kCPU);
  if (local_rank >= count) {
    return absl::UnavailableError(absl::StrCat(
        "local rank ", local_rank, " wants GPU ", local_rank, ", but ", count,
        " are visible; use a build of the `cuda` preset, start fewer ranks, or "
        "set device: \"cpu\""));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(local_rank));
}

}  // namespace rlhf
