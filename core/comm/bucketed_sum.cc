#include "core/comm/bucketed_sum.h"

#include <ATen/ops/cat.h>

#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::Status SumBucket(Communicator& communicator,
                       const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return absl::OkStatus();
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.flatten());
  const at::Tensor bucket = at::cat(flat);
  RLHF_RETURN_IF_ERROR(communicator.AllReduceSum({bucket}));
  int64_t begin = 0;
  for (const at::Tensor& tensor : tensors) {
    tensor.copy_(bucket.narrow(0, begin, tensor.numel()).view(tensor.sizes()));
    begin += tensor.numel();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BucketedAllReduceSum(Communicator& communicator,
                                  const std::vector<at::Tensor>& tensors,
                                  int64_t bucket_elements) {
  std::vector<at::Tensor> bucket;
  int64_t size = 0;
  for (const at::Tensor& tensor : tensors) {
    if (!bucket.empty() && size + tensor.numel() > bucket_elements) {
      RLHF_RETURN_IF_ERROR(SumBucket(communicator, bucket));
      bucket.clear();
      size = 0;
    }
    bucket.push_back(tensor);
    size += tensor.numel();
  }
  return SumBucket(communicator, bucket);
}

}  // namespace rlhf
