// What peers say of weights: requests and headers on the wire, and the manifest
// (core/comm/weight_wire.h, weight_version.h).
#include <ATen/core/Tensor.h>

#include "core/base/check.h"
#include "core/comm/weight_version.h"
#include "core/comm/weight_wire.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

// Of a version that is received here.
constexpr uint64_t kMostBytes = 1 << 20;
constexpr int kMostBuckets = 32;

void ReadManifest(const v1::WeightManifest& manifest) {
  const auto version = WeightVersion::Create(manifest);
  CheckExplained(version.status(), {absl::StatusCode::kInvalidArgument,
                                    absl::StatusCode::kDataLoss});
  if (!version.ok()) return;
  RLHF_CHECK((*version)->num_proven() == 0);
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    RLHF_CHECK(spec.bucket() >= 0 && spec.bucket() < manifest.buckets_size());
    RLHF_CHECK(spec.offset() <= manifest.buckets(spec.bucket()).num_bytes());
  }
  if ((*version)->total_bytes() > kMostBytes ||
      manifest.buckets_size() > kMostBuckets) {
    return;
  }
  // As a receiver does, who trusts the manifest's checksums.
  for (const v1::BucketSpec& bucket : manifest.buckets()) {
    RLHF_CHECK((*version)->NextBucket().ok());
    RLHF_CHECK((*version)->Prove(bucket.xxh3()).ok());
  }
  RLHF_CHECK((*version)->whole());
  const auto tensors = (*version)->Tensors();
  RLHF_CHECK(tensors.ok()) << tensors.status();
  RLHF_CHECK(tensors->size() == static_cast<size_t>(manifest.tensors_size()));
  for (const NamedTensor& entry : *tensors) {
    RLHF_CHECK(entry.tensor.nbytes() <= kMostBytes) << entry.name;
  }
}

RLHF_FUZZ_TARGET(weight_stream) {
  const auto request = ParseWeightRequest(input);
  CheckExplained(request.status(), {absl::StatusCode::kInvalidArgument});
  if (request.ok()) {
    RLHF_CHECK(request->version >= 0 && request->first_bucket >= 0);
  }
  CheckExplained(ParseBucketHeader(input).status(),
                 {absl::StatusCode::kDataLoss});
  v1::WeightManifest manifest;
  if (!manifest.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    return;
  }
  ReadManifest(manifest);
  // From a liar who knows how to make a checksum.
  manifest.set_xxh3(ManifestXxh3(manifest));
  ReadManifest(manifest);
}

}  // namespace
}  // namespace rlhf
