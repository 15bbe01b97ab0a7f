#include "core/comm/weight_snapshot.h"

#include <ATen/ops/from_blob.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// Describes where each tensor goes.
v1::WeightManifest PlanBuckets(int64_t version, const NamedTensors& tensors,
                               const PackOptions& options) {
  v1::WeightManifest manifest;
  manifest.set_version(version);
  for (const NamedTensor& entry : tensors) {
    const uint64_t bytes =
        entry.tensor.numel() * c10::elementSize(options.dtype);
    const int last = manifest.buckets_size() - 1;
    if (last < 0 ||
        manifest.buckets(last).num_bytes() + bytes > options.bucket_bytes) {
      manifest.add_buckets();
    }
    const int bucket = manifest.buckets_size() - 1;
    const uint64_t offset = manifest.buckets(bucket).num_bytes();
    v1::TensorSpec& spec = *manifest.add_tensors();
    spec.set_name(entry.name);
    spec.set_dtype(options.dtype == at::kFloat ? "F32" : "BF16");
    for (const int64_t dimension : entry.tensor.sizes()) {
      spec.add_shape(dimension);
    }
    spec.set_bucket(bucket);
    spec.set_offset(offset);
    manifest.mutable_buckets(bucket)->set_num_bytes(offset + bytes);
  }
  return manifest;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> PackWeights(
    int64_t version, const NamedTensors& tensors, const PackOptions& options) {
  auto snapshot = std::make_shared<WeightSnapshot>();
  v1::WeightManifest& manifest = snapshot->manifest;
  manifest = PlanBuckets(version, tensors, options);
  for (const v1::BucketSpec& spec : manifest.buckets()) {
    RLHF_ASSIGN_OR_RETURN(SharedMemory bucket,
                          SharedMemory::Create(spec.num_bytes()));
    snapshot->buckets.push_back(std::move(bucket));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const v1::TensorSpec& spec = manifest.tensors(static_cast<int>(i));
    at::Tensor target = at::from_blob(
        snapshot->buckets[spec.bucket()].data() + spec.offset(),
        tensors[i].tensor.sizes(), at::TensorOptions(options.dtype));
    target.copy_(tensors[i].tensor.detach());
  }
  for (size_t b = 0; b < snapshot->buckets.size(); ++b) {
    v1::BucketSpec& spec = *manifest.mutable_buckets(static_cast<int>(b));
    spec.set_xxh3(Xxh3(snapshot->buckets[b].bytes()));
    spec.set_shared_path(snapshot->buckets[b].path());
  }
  manifest.set_xxh3(ManifestXxh3(manifest));
  return snapshot;
}

uint64_t ManifestXxh3(const v1::WeightManifest& manifest) {
  std::string text = absl::StrCat(manifest.version(), "\n");
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    // A name may hold anything, so its length goes first.
    absl::StrAppend(&text, spec.name().size(), " ", spec.name(), " ",
                    spec.dtype(), " ", spec.bucket(), " ", spec.offset());
    for (const int64_t dimension : spec.shape()) {
      absl::StrAppend(&text, " ", dimension);
    }
    absl::StrAppend(&text, "\n");
  }
  for (const v1::BucketSpec& spec : manifest.buckets()) {
    absl::StrAppend(&text, spec.num_bytes(), " ", spec.xxh3(), "\n");
  }
  return Xxh3(text);
}

}  // namespace rlhf
