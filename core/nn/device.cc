#include "core/nn/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

// What "cuda" and "cuda:N" name.
struct GpuName {
  std::optional<int> number;
};

std::optional<GpuName> ParseGpuName(absl::string_view name) {
  if (name == "cuda") return GpuName{};
  int number = 0;
  // No sign and no space, which SimpleAtoi would take.
  if (!absl::ConsumePrefix(&name, "cuda:") || name.empty() ||
      name.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(name, &number)) {
    return std::nullopt;
  }
  return GpuName{number};
}

std::string WhyNoGpu() {
  // What LibTorch is without its CUDA library.
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    return "this build has no CUDA: build with `make cuda`, or compute on the "
           "cpu";
  }
  return "no GPU is visible (is its driver installed, and "
         "CUDA_VISIBLE_DEVICES right?)";
}

int NumGpus() {
  return at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
}

// Of the whole process.
void ChooseKernels() {
  at::Context& context = at::globalContext();
  // TF32 has 10 bits of mantissa: too few where the learner's log-probabilities
  // are compared with the actors', and to say float32. Who wants speed asks for
  // bfloat16.
  context.setAllowTF32CuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
  // It prepares itself for each shape that it meets; a cache that grows by a
  // token a step has a new one in every step.
  context.setSDPUseCuDNN(false);
}

}  // namespace

absl::StatusOr<at::Device> FindDevice(absl::string_view field,
                                      const std::string& name,
                                      const LocalRank& local) {
  if (name == "cpu") return at::Device(at::kCPU);
  const std::optional<GpuName> gpu = ParseGpuName(name);
  if (!gpu.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": no device is called \"", name,
                     "\"; wanted cpu, cuda or cuda:N"));
  }
  if (gpu->number.has_value() && local.count > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, ": ", name, " is one GPU for the ", local.count,
        " ranks on this machine; wanted cuda, which gives each its own"));
  }
  const int count = NumGpus();
  if (count == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(field, ": ", name, ": ", WhyNoGpu()));
  }
  const int wanted = gpu->number.value_or(local.rank);
  if (wanted >= count) {
    return absl::FailedPreconditionError(absl::StrCat(
        field, ": GPU ", wanted, " is wanted (", name, ", rank ", local.rank,
        " of ", local.count, " on this machine), the visible ones are 0 to ",
        count - 1));
  }
  ChooseKernels();
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(wanted));
}

absl::Status MoveTo(at::Device device, Transformer& model) {
  if (model.device() == device) return absl::OkStatus();
  return TorchCall(absl::StrCat("move a model to ", device.str()),
                   [&] { model.To(device); });
}

}  // namespace rlhf
