// One version of the policy as far as it is here: whole where it was packed or
// mapped, a growing row of proven buckets where it is being received.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/base/shared_memory.h"
#include "core/comm/named_tensor.h"
#include "core/comm/weight_snapshot.h"
#include "rlhf/v1/weights.pb.h"

namespace rlhf {

// One thread receives, any number send on what is proven: what is said to be of
// the receiver is for that thread alone, all else is thread-safe.
class WeightVersion {
 public:
  // Nothing of it is here yet.
  //
  // Errors: InvalidArgument if the manifest contradicts itself (a tensor beyond
  // its bucket or between its numbers, an unknown dtype, absurd sizes);
  // DataLoss if it is not what its checksum says.
  static absl::StatusOr<std::shared_ptr<WeightVersion>> Create(
      v1::WeightManifest manifest);

  // All of it is here. The bytes are taken as they are.
  static std::shared_ptr<WeightVersion> Of(
      const std::shared_ptr<const WeightSnapshot>& snapshot);

  // Maps all buckets instead of having them sent. False, and nothing has
  // changed, where the learner is on another machine. Whoever then holds the
  // tensors reads the learner's copy, which stays as it is. Of the receiver.
  bool MapBuckets();

  const v1::WeightManifest& manifest() const { return manifest_; }
  int num_buckets() const { return manifest_.buckets_size(); }
  // Of all buckets.
  uint64_t total_bytes() const;

  // Buckets that are proven, from the first on, and their bytes.
  int num_proven() const;
  uint64_t proven_bytes() const;
  bool whole() const { return num_proven() == num_buckets(); }

  // Where the bytes of bucket num_proven() belong. Until it is proven, the same
  // memory each time. Of the receiver. Errors: of SharedMemory::Create.
  absl::StatusOr<char*> NextBucket();

  // That memory now holds bytes whose checksum is `xxh3`. Of the receiver.
  // Errors: DataLoss, and nothing is proven, if the manifest has another one.
  absl::Status Prove(uint64_t xxh3);

  // Waits until bucket number `bucket` is proven; null if `timeout` passed
  // first.
  std::shared_ptr<const SharedMemory> Await(int bucket,
                                            absl::Duration timeout) const;

  // The tensors lie where their bytes arrived: they share the memory of their
  // bucket, which lives as long as one of them, or this.
  //
  // Errors: DataLoss if buckets are missing.
  absl::StatusOr<NamedTensors> Tensors() const;

 private:
  explicit WeightVersion(v1::WeightManifest manifest);

  const v1::WeightManifest manifest_;
  std::shared_ptr<SharedMemory> next_;  // of the receiver
  mutable Mutex mutex_;
  mutable CondVar proven_;
  std::vector<std::shared_ptr<const SharedMemory>> buckets_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
