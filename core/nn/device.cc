#include "core/nn/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

std::string WhyNoGpu() {
  // What LibTorch is without its CUDA library.
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    return "this build has no CUDA: build with `make cuda`, or compute on the "
           "cpu";
  }
  return "no GPU is visible (is its driver installed, and "
         "CUDA_VISIBLE_DEVICES right?)";
}

}  // namespace

absl::StatusOr<at::Device> FindDevice(const std::string& name,
                                      int local_rank) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view rest = name;
  int wanted = -1;
  const bool is_cuda = absl::ConsumePrefix(&rest, "cuda");
  const bool is_numbered = absl::ConsumePrefix(&rest, ":");
  const bool has_number =
      is_numbered && absl::SimpleAtoi(rest, &wanted) && wanted >= 0;
  if (!is_cuda || (is_numbered ? !has_number : !rest.empty())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no device is called \"", name, "\"; wanted cpu, cuda or cuda:N"));
  }
  const int count =
      at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount())
                    : 0;
  if (count == 0) {
    return absl::FailedPreconditionError(absl::StrCat(name, ": ", WhyNoGpu()));
  }
  if (!is_numbered) wanted = local_rank % count;
  if (wanted >= count) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, ": only ", count, " GPU(s) are visible"));
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(wanted));
}

absl::Status MoveTo(at::Device device, Transformer& model) {
  if (model.device() == device) return absl::OkStatus();
  return TorchCall(absl::StrCat("move a model to ", device.str()),
                   [&] { model.To(device); });
}

}  // namespace rlhf
