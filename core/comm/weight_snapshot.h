// One version of the policy on its way to actors: all weights in a few large
// buckets, each with a checksum.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/shared_memory.h"
#include "core/comm/named_tensor.h"
#include "rlhf/v1/weights.pb.h"

namespace rlhf {

// Immutable once made.
struct WeightSnapshot {
  v1::WeightManifest manifest;
  std::vector<SharedMemory> buckets;
};

struct PackOptions {
  // float32 or bfloat16.
  at::ScalarType dtype = at::kFloat;
  // Of about so many bytes; larger for a tensor that is larger.
  uint64_t bucket_bytes = 64 << 20;
};

// Copies `tensors`, as `dtype`, into buckets.
// Errors: of SharedMemory::Create.
absl::StatusOr<std::shared_ptr<const WeightSnapshot>> PackWeights(
    int64_t version, const NamedTensors& tensors,
    const PackOptions& options = {});

// Collects the chunks of one version and gives the tensors back once every
// byte is there and every checksum agrees. Not thread-safe.
class WeightAssembler {
 public:
  // Errors: InvalidArgument if the manifest contradicts itself (a tensor beyond
  // its bucket or between its numbers, an unknown dtype, absurd sizes).
  static absl::StatusOr<WeightAssembler> Create(v1::WeightManifest manifest);

  // Maps all buckets instead of having them sent. False, and nothing has
  // changed, where the learner is on another machine. Whoever then holds the
  // tensors reads the learner's copy, which stays as it is.
  bool MapBuckets();

  // Errors: InvalidArgument for a chunk outside its bucket or out of order.
  absl::Status Add(const v1::WeightChunk& chunk);

  // The tensors lie where their bytes arrived: they share the memory of their
  // bucket, which lives as long as one of them.
  //
  // Errors: DataLoss if bytes are missing or a checksum differs; it names the
  // bucket.
  absl::StatusOr<NamedTensors> Finish() const;

 private:
  explicit WeightAssembler(v1::WeightManifest manifest);

  struct Bucket {
    // [num_bytes], made when the first chunk arrives.
    at::Tensor bytes;
    uint64_t num_filled = 0;  // bytes
  };

  absl::string_view Filled(const Bucket& bucket) const;

  v1::WeightManifest manifest_;
  std::vector<Bucket> buckets_;
};

}  // namespace rlhf
