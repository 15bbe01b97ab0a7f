// What tests of the weights share: a small version in several buckets.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <functional>
#include <memory>

#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/comm/weight_snapshot.h"
#include "core/comm/weight_version.h"

namespace rlhf {

// 24, 4, 40 and 0 bytes: of buckets of 32 bytes the first holds two of them,
// the second is outgrown by the third tensor, and the empty one opens another.
inline NamedTensors FourWeights() {
  return {{"first", at::arange(6.0f).view({2, 3})},
          {"scalar", at::arange(1.0f).add(0.5).squeeze()},
          {"large", at::arange(10.0f).mul(-1.25)},
          {"empty", at::arange(0.0f).view({0, 4})}};
}

inline std::shared_ptr<const WeightSnapshot> Pack(
    int64_t version, const NamedTensors& tensors,
    const PackOptions& options = {}) {
  auto snapshot = PackWeights(version, tensors, options);
  RLHF_CHECK(snapshot.ok()) << snapshot.status();
  return *snapshot;
}

inline std::shared_ptr<const WeightSnapshot> PackFour() {
  return Pack(/*version=*/7, FourWeights(), {.bucket_bytes = 32});
}

// `num_buckets` of `bucket_bytes` each, a multiple of 4, full of numbers that
// differ from version to version.
inline std::shared_ptr<const WeightSnapshot> PackMany(int64_t version,
                                                      int num_buckets,
                                                      int64_t bucket_bytes) {
  NamedTensors tensors;
  for (int b = 0; b < num_buckets; ++b) {
    tensors.push_back({std::string(1, static_cast<char>('a' + b)),
                       at::arange(static_cast<float>(bucket_bytes / 4))
                           .add(static_cast<double>(version * 100 + b))});
  }
  return Pack(version, tensors,
              {.bucket_bytes = static_cast<uint64_t>(bucket_bytes)});
}

// The same version with one byte of bucket number `bucket` changed after its
// checksum was taken.
inline std::shared_ptr<const WeightSnapshot> Damage(
    const std::shared_ptr<const WeightSnapshot>& snapshot, int bucket) {
  auto damaged = std::const_pointer_cast<WeightSnapshot>(snapshot);
  char* const bytes = damaged->buckets[bucket].data();
  bytes[17] = static_cast<char>(bytes[17] ^ 1);
  return snapshot;
}

inline std::shared_ptr<WeightVersion> NothingOf(
    const std::shared_ptr<const WeightSnapshot>& snapshot) {
  auto version = WeightVersion::Create(snapshot->manifest);
  RLHF_CHECK(version.ok()) << version.status();
  return *std::move(version);
}

// Whether `version` is whole and holds the bytes of `snapshot`.
inline bool IsWhole(const WeightVersion& version,
                    const WeightSnapshot& snapshot) {
  for (size_t b = 0; b < snapshot.buckets.size(); ++b) {
    const auto bucket =
        version.Await(static_cast<int>(b), absl::ZeroDuration());
    if (bucket == nullptr || bucket->bytes() != snapshot.buckets[b].bytes()) {
      return false;
    }
  }
  return version.whole();
}

// Looks until `condition` holds; false if it does not within 10 seconds.
inline bool HoldsSoon(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace rlhf
