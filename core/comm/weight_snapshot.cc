#include "core/comm/weight_snapshot.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// More than this in one version is a mistake or an attack.
constexpr uint64_t kMaxTotalBytes = uint64_t{1} << 42;

absl::StatusOr<uint64_t> NumBytes(const v1::TensorSpec& spec) {
  if (spec.dtype() != "F32") {
    return absl::InvalidArgumentError(
        absl::StrCat("weight \"", spec.name(), "\" has dtype ", spec.dtype(),
                     "; wanted F32"));
  }
  uint64_t bytes = sizeof(float);
  for (const int64_t dimension : spec.shape()) {
    if (dimension < 0 ||
        (dimension > 0 && bytes > kMaxTotalBytes / dimension)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight \"", spec.name(), "\" has an absurd shape"));
    }
    bytes *= dimension;
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const WeightSnapshot> PackWeights(int64_t version,
                                                  const NamedTensors& tensors,
                                                  uint64_t bucket_bytes) {
  auto snapshot = std::make_shared<WeightSnapshot>();
  snapshot->manifest.set_version(version);
  for (const NamedTensor& entry : tensors) {
    const at::Tensor data =
        entry.tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    if (snapshot->buckets.empty() ||
        snapshot->buckets.back().size() + data.nbytes() > bucket_bytes) {
      snapshot->buckets.emplace_back().reserve(
          std::max<uint64_t>(bucket_bytes, data.nbytes()));
    }
    std::string& bucket = snapshot->buckets.back();
    v1::TensorSpec& spec = *snapshot->manifest.add_tensors();
    spec.set_name(entry.name);
    spec.set_dtype("F32");
    for (const int64_t dimension : data.sizes()) spec.add_shape(dimension);
    spec.set_bucket(static_cast<int32_t>(snapshot->buckets.size()) - 1);
    spec.set_offset(bucket.size());
    bucket.append(static_cast<const char*>(data.const_data_ptr()),
                  data.nbytes());
  }
  for (const std::string& bucket : snapshot->buckets) {
    v1::BucketSpec& spec = *snapshot->manifest.add_buckets();
    spec.set_num_bytes(bucket.size());
    spec.set_xxh3(Xxh3(bucket));
  }
  return snapshot;
}

WeightAssembler::WeightAssembler(v1::WeightManifest manifest)
    : manifest_(std::move(manifest)), buckets_(manifest_.buckets_size()) {}

absl::StatusOr<WeightAssembler> WeightAssembler::Create(
    v1::WeightManifest manifest) {
  uint64_t total = 0;
  for (const v1::BucketSpec& bucket : manifest.buckets()) {
    total += bucket.num_bytes();
    if (bucket.num_bytes() > kMaxTotalBytes || total > kMaxTotalBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("weights of ", total, " bytes are more than we take"));
    }
    if (bucket.num_bytes() % sizeof(float) != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a bucket of ", bucket.num_bytes(), " bytes holds no whole floats"));
    }
  }
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    RLHF_ASSIGN_OR_RETURN(const uint64_t bytes, NumBytes(spec));
    if (spec.bucket() < 0 || spec.bucket() >= manifest.buckets_size() ||
        spec.offset() % sizeof(float) != 0 ||
        spec.offset() > manifest.buckets(spec.bucket()).num_bytes() ||
        bytes > manifest.buckets(spec.bucket()).num_bytes() - spec.offset()) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight \"", spec.name(), "\" lies outside its bucket"));
    }
  }
  return WeightAssembler(std::move(manifest));
}

absl::string_view WeightAssembler::Filled(const Bucket& bucket) const {
  if (bucket.num_filled == 0) return {};
  return {static_cast<const char*>(bucket.floats.const_data_ptr()),
          bucket.num_filled};
}

absl::Status WeightAssembler::Add(const v1::WeightChunk& chunk) {
  if (chunk.bucket() < 0 || chunk.bucket() >= manifest_.buckets_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk of unknown bucket ", chunk.bucket()));
  }
  Bucket& bucket = buckets_[chunk.bucket()];
  const uint64_t size = manifest_.buckets(chunk.bucket()).num_bytes();
  if (chunk.offset() != bucket.num_filled ||
      chunk.data().size() > size - bucket.num_filled) {
    return absl::InvalidArgumentError(absl::StrCat(
        "chunk at ", chunk.offset(), " of bucket ", chunk.bucket(),
        " is out of place; wanted offset ", bucket.num_filled, " of ", size));
  }
  if (!bucket.floats.defined()) {
    bucket.floats =
        at::empty({static_cast<int64_t>(size / sizeof(float))}, at::kFloat);
  }
  std::memcpy(static_cast<char*>(bucket.floats.data_ptr()) + bucket.num_filled,
              chunk.data().data(), chunk.data().size());
  bucket.num_filled += chunk.data().size();
  return absl::OkStatus();
}

absl::StatusOr<NamedTensors> WeightAssembler::Finish() const {
  for (int i = 0; i < manifest_.buckets_size(); ++i) {
    const v1::BucketSpec& spec = manifest_.buckets(i);
    if (buckets_[i].num_filled != spec.num_bytes() ||
        Xxh3(Filled(buckets_[i])) != spec.xxh3()) {
      return absl::DataLossError(absl::StrCat(
          "weights version ", manifest_.version(), ": bucket ", i, " of ",
          manifest_.buckets_size(), " arrived damaged or cut (",
          buckets_[i].num_filled, " of ", spec.num_bytes(), " bytes)"));
    }
  }
  NamedTensors tensors;
  for (const v1::TensorSpec& spec : manifest_.tensors()) {
    const std::vector<int64_t> shape(spec.shape().begin(), spec.shape().end());
    const at::Tensor& floats = buckets_[spec.bucket()].floats;
    const int64_t count = std::accumulate(
        shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
    // A bucket of nothing but empty tensors has no chunk.
    tensors.push_back(
        {spec.name(),
         count == 0
             ? at::empty(shape, at::kFloat)
             : floats
                   .narrow(0,
                           static_cast<int64_t>(spec.offset() / sizeof(float)),
                           count)
                   .view(shape)});
  }
  return tensors;
}

}  // namespace rlhf
