#include "core/comm/communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

class Done final : public Transfer {
 public:
  absl::Status Wait() override { return absl::OkStatus(); }
};

}  // namespace

at::Tensor Communicator::OwnShare(const at::Tensor& flat) const {
  RLHF_CHECK(flat.dim() == 1 && flat.is_contiguous());
  RLHF_CHECK(flat.numel() % world_size() == 0)
      << flat.numel() << " elements for " << world_size() << " ranks";
  const int64_t share = flat.numel() / world_size();
  return flat.narrow(0, rank() * share, share);
}

std::unique_ptr<Transfer> SingleCommunicator::StartAllReduceSum(
    const at::Tensor&, const std::string&) {
  return std::make_unique<Done>();
}

std::unique_ptr<Transfer> SingleCommunicator::StartAllGather(
    const at::Tensor&, const std::string&) {
  return std::make_unique<Done>();
}

std::unique_ptr<Transfer> SingleCommunicator::StartReduceScatterSum(
    const at::Tensor&, const std::string&) {
  return std::make_unique<Done>();
}

absl::Status Communicator::SumNumbers(const std::vector<double*>& numbers) {
  if (world_size() == 1) return absl::OkStatus();
  std::vector<double> values;
  for (const double* number : numbers) values.push_back(*number);
  const at::Tensor sums = at::tensor(values, at::TensorOptions(at::kDouble));
  RLHF_RETURN_IF_ERROR(AllReduceSum({sums}));
  for (size_t i = 0; i < numbers.size(); ++i) {
    *numbers[i] = sums[static_cast<int64_t>(i)].item<double>();
  }
  return absl::OkStatus();
}

absl::Status Communicator::BroadcastBytes(std::string& bytes) {
  if (world_size() == 1) return absl::OkStatus();
  const at::Tensor size =
      at::full({1}, static_cast<int64_t>(bytes.size()), at::kLong);
  RLHF_RETURN_IF_ERROR(Broadcast(size));
  const int64_t count = size.item<int64_t>();
  if (count == 0) {
    bytes.clear();
    return absl::OkStatus();
  }
  const at::Tensor data = at::empty({count}, at::kByte);
  if (rank() == 0) std::memcpy(data.data_ptr(), bytes.data(), bytes.size());
  RLHF_RETURN_IF_ERROR(Broadcast(data));
  bytes.assign(static_cast<const char*>(data.const_data_ptr()),
               static_cast<size_t>(count));
  return absl::OkStatus();
}

void Communicator::Describe(std::string what) {
  MutexLock lock(&mutex_);
  description_ = std::move(what);
}

std::string Communicator::description() const {
  MutexLock lock(&mutex_);
  return description_;
}

}  // namespace rlhf
