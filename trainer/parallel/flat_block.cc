#include "trainer/parallel/flat_block.h"

#include <ATen/ops/empty.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "core/base/check.h"

namespace rlhf {

FlatBlock::FlatBlock(std::string name, const NamedTensors& tensors,
                     const Layout& layout)
    : name_(std::move(name)), layout_(layout) {
  RLHF_CHECK(!tensors.empty());
  const c10::NoGradGuard no_grad;
  int64_t elements = 0;
  for (const NamedTensor& p : tensors) elements += p.tensor.numel();
  const int64_t share = (elements + layout.world_size - 1) / layout.world_size;
  flat_ = at::empty({share * layout.world_size},
                    at::TensorOptions(layout.dtype).device(layout.device));
  for (const NamedTensor& p : tensors) {
    weights_.push_back({p.name, p.tensor});  // for their shapes, see Split
  }
  weights_ = Split(flat_);
  std::vector<at::Tensor> values;
  for (const NamedTensor& p : tensors) values.push_back(p.tensor);
  share_ = OwnPart(Flatten(values))
               .to(layout.trained ? at::kFloat : layout.dtype,
                   /*non_blocking=*/false, /*copy=*/true);
  Free();
  if (!layout.trained) return;
  share_.set_requires_grad(true);
  for (const NamedTensor& p : weights_) p.tensor.set_requires_grad(true);
}

void FlatBlock::Allocate() {
  c10::StorageImpl& storage = *flat_.storage().unsafeGetStorageImpl();
  const auto bytes = static_cast<size_t>(flat_.numel()) * flat_.itemsize();
  // Allocators take memory of the current GPU.
  c10::OptionalDeviceGuard on_its_device;
  if (!flat_.is_cpu()) on_its_device.reset_device(flat_.device());
  storage.set_data_ptr_noswap(
      c10::GetAllocator(flat_.device().type())->allocate(bytes));
  storage.set_nbytes(bytes);
  const c10::NoGradGuard no_grad;
  OwnPart(flat_).copy_(share_);
}

void FlatBlock::Free() {
  c10::StorageImpl& storage = *flat_.storage().unsafeGetStorageImpl();
  storage.set_data_ptr_noswap(at::DataPtr(nullptr, flat_.device()));
  storage.set_nbytes(size_t{0});
}

at::Tensor FlatBlock::Flatten(const std::vector<at::Tensor>& tensors) const {
  RLHF_CHECK(tensors.size() == weights_.size());
  const c10::NoGradGuard no_grad;
  const at::Tensor flat =
      at::empty(flat_.sizes(), flat_.options().dtype(at::kFloat));
  int64_t end = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t size = weights_[i].tensor.numel();
    at::Tensor target = flat.narrow(0, end, size);
    if (tensors[i].defined()) {
      target.copy_(tensors[i].reshape(-1));
    } else {
      target.zero_();
    }
    end += size;
  }
  flat.narrow(0, end, flat.numel() - end).zero_();
  return flat;
}

at::Tensor FlatBlock::OwnPart(const at::Tensor& flat) const {
  const int64_t share = flat.numel() / layout_.world_size;
  return flat.narrow(0, layout_.rank * share, share);
}

NamedTensors FlatBlock::Split(const at::Tensor& flat) const {
  const c10::NoGradGuard no_grad;
  NamedTensors tensors;
  int64_t begin = 0;
  for (const NamedTensor& p : weights_) {
    tensors.push_back(
        {p.name,
         flat.narrow(0, begin, p.tensor.numel()).view(p.tensor.sizes())});
    begin += p.tensor.numel();
  }
  return tensors;
}

}  // namespace rlhf
