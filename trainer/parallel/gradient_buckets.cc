#include "trainer/parallel/gradient_buckets.h"

#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {

GradientBuckets::GradientBuckets(const NamedTensors& parameters,
                                 std::string name, Communicator* communicator,
                                 int64_t bucket_elements)
    : parameters_(parameters),
      name_(std::move(name)),
      communicator_(communicator),
      bucket_of_(parameters.size()) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int64_t size = parameters[i].tensor.numel();
    if (buckets_.empty() || buckets_.back().elements + size > bucket_elements) {
      buckets_.emplace_back();
    }
    buckets_.back().elements += size;
    buckets_.back().parameters.push_back(i);
    bucket_of_[i] = buckets_.size() - 1;
  }
}

void GradientBuckets::Zero() {
  for (Bucket& bucket : buckets_) {
    RLHF_CHECK(bucket.transfer == nullptr) << "Finish was not called";
    bucket.flat =
        at::zeros({bucket.elements},
                  parameters_[0].tensor.options().requires_grad(false));
    bucket.num_missing = bucket.parameters.size();
    int64_t begin = 0;
    for (const size_t i : bucket.parameters) {
      const at::Tensor& parameter = parameters_[i].tensor;
      parameter.mutable_grad() = bucket.flat.narrow(0, begin, parameter.numel())
                                     .view(parameter.sizes());
      begin += parameter.numel();
    }
  }
  num_sent_ = 0;
}

void GradientBuckets::Free() {
  for (Bucket& bucket : buckets_) bucket.flat.reset();
  for (const NamedTensor& p : parameters_) p.tensor.mutable_grad().reset();
}

void GradientBuckets::Ready(size_t index) {
  Bucket& bucket = buckets_[bucket_of_[index]];
  RLHF_CHECK(bucket.num_missing > 0) << parameters_[index].name;
  --bucket.num_missing;
  while (num_sent_ < buckets_.size() && buckets_[num_sent_].num_missing == 0) {
    Send(num_sent_++);
  }
}

absl::Status GradientBuckets::Finish() {
  num_early_ = num_sent_;
  while (num_sent_ < buckets_.size()) Send(num_sent_++);
  for (Bucket& bucket : buckets_) {
    RLHF_RETURN_IF_ERROR(std::exchange(bucket.transfer, nullptr)->Wait());
  }
  return absl::OkStatus();
}

void GradientBuckets::Send(size_t bucket) {
  buckets_[bucket].transfer = communicator_->StartAllReduceSum(
      buckets_[bucket].flat, absl::StrCat("gradients of ", name_, ", part ",
                                          bucket + 1, " of ", buckets_.size()));
}

}  // namespace rlhf
