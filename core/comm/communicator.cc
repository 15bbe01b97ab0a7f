#include "core/comm/communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <utility>

#include "core/base/status_macros.h"

namespace rlhf {

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
