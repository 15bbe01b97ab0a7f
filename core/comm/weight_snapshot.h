// One version of the policy on its way to actors: all weights in a few large
// buckets, each with a checksum.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
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

// Copies `tensors`, as `dtype`, into buckets, wherever they are: the bytes are
// the same from a GPU. Throws as LibTorch does if there is no memory for a
// copy. Errors: of SharedMemory::Create.
absl::StatusOr<std::shared_ptr<const WeightSnapshot>> PackWeights(
    int64_t version, const NamedTensors& tensors,
    const PackOptions& options = {});

// What `manifest.xxh3` has to be.
uint64_t ManifestXxh3(const v1::WeightManifest& manifest);

}  // namespace rlhf
