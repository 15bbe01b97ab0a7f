// One version of the policy on its way to actors: all weights in a few large
// buckets, each with a checksum.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/named_tensor.h"
#include "rlhf/v1/weights.pb.h"

namespace rlhf {

// Immutable once made.
struct WeightSnapshot {
  v1::WeightManifest manifest;
  std::vector<std::string> buckets;
};

// Copies `tensors` (float32) into buckets of about `bucket_bytes`.
std::shared_ptr<const WeightSnapshot> PackWeights(
    int64_t version, const NamedTensors& tensors,
    uint64_t bucket_bytes = 64 << 20);

// Collects the chunks of one version and gives the tensors back once every
// byte is there and every checksum agrees. Not thread-safe.
class WeightAssembler {
 public:
  // Errors: InvalidArgument if the manifest contradicts itself (a tensor beyond
  // its bucket, an unknown dtype, absurd sizes).
  static absl::StatusOr<WeightAssembler> Create(v1::WeightManifest manifest);

  // Errors: InvalidArgument for a chunk outside its bucket or out of order.
  absl::Status Add(const v1::WeightChunk& chunk);

  // Errors: DataLoss if bytes are missing or a checksum differs; it names the
  // bucket.
  absl::StatusOr<NamedTensors> Finish() const;

 private:
  explicit WeightAssembler(v1::WeightManifest manifest);

  v1::WeightManifest manifest_;
  // Each grows as its chunks arrive.
  std::vector<std::string> buckets_;
};

}  // namespace rlhf
