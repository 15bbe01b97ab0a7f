#include "core/comm/weight_snapshot.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// More than this in one version is a mistake or an attack.
constexpr uint64_t kMaxTotalBytes = uint64_t{1} << 42;

absl::StatusOr<at::ScalarType> DtypeOf(const v1::TensorSpec& spec) {
  if (spec.dtype() == "F32") return at::kFloat;
  if (spec.dtype() == "BF16") return at::kBFloat16;
  return absl::InvalidArgumentError(absl::StrCat("weight \"", spec.name(),
                                                 "\" has dtype ", spec.dtype(),
                                                 "; wanted F32 or BF16"));
}

absl::StatusOr<uint64_t> NumBytes(const v1::TensorSpec& spec) {
  RLHF_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeOf(spec));
  uint64_t bytes = c10::elementSize(dtype);
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
  }
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    RLHF_ASSIGN_OR_RETURN(const uint64_t bytes, NumBytes(spec));
    if (spec.bucket() < 0 || spec.bucket() >= manifest.buckets_size() ||
        spec.offset() % c10::elementSize(*DtypeOf(spec)) != 0 ||
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
  return {static_cast<const char*>(bucket.bytes.const_data_ptr()),
          bucket.num_filled};
}

bool WeightAssembler::MapBuckets() {
  std::vector<Bucket> mapped;
  for (const v1::BucketSpec& spec : manifest_.buckets()) {
    absl::StatusOr<SharedMemory> memory =
        SharedMemory::Map(spec.shared_path(), spec.num_bytes());
    if (!memory.ok() || Xxh3(memory->bytes()) != spec.xxh3()) return false;
    // The tensor owns the mapping.
    const auto owner = std::make_shared<SharedMemory>(*std::move(memory));
    mapped.push_back(
        {.bytes = at::from_blob(
             owner->data(), {static_cast<int64_t>(spec.num_bytes())},
             [owner](void*) {}, at::TensorOptions(at::kByte)),
         .num_filled = spec.num_bytes()});
  }
  buckets_ = std::move(mapped);
  return true;
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
  if (!bucket.bytes.defined()) {
    bucket.bytes = at::empty({static_cast<int64_t>(size)}, at::kByte);
  }
  std::memcpy(static_cast<char*>(bucket.bytes.data_ptr()) + bucket.num_filled,
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
    const at::ScalarType dtype = *DtypeOf(spec);
    const auto begin = static_cast<int64_t>(spec.offset());
    const auto bytes = static_cast<int64_t>(*NumBytes(spec));
    // A bucket of nothing but empty tensors has no chunk.
    tensors.push_back({spec.name(), bytes == 0
                                        ? at::empty(shape, dtype)
                                        : buckets_[spec.bucket()]
                                              .bytes.narrow(0, begin, bytes)
                                              .view(dtype)
                                              .view(shape)});
  }
  return tensors;
}

}  // namespace rlhf
