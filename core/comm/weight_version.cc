#include "core/comm/weight_version.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
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
  bool is_empty = false;
  for (const int64_t dimension : spec.shape()) {
    if (dimension < 0 ||
        (dimension > 0 && bytes > kMaxTotalBytes / dimension)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight \"", spec.name(), "\" has an absurd shape"));
    }
    // LibTorch multiplies the dimensions of an empty tensor, too.
    if (dimension == 0) {
      is_empty = true;
    } else {
      bytes *= dimension;
    }
  }
  return is_empty ? 0 : bytes;
}

absl::Status CheckPlace(const v1::TensorSpec& spec,
                        const v1::WeightManifest& manifest) {
  RLHF_ASSIGN_OR_RETURN(const uint64_t bytes, NumBytes(spec));
  if (spec.bucket() < 0 || spec.bucket() >= manifest.buckets_size() ||
      spec.offset() % c10::elementSize(*DtypeOf(spec)) != 0 ||
      spec.offset() > manifest.buckets(spec.bucket()).num_bytes() ||
      bytes > manifest.buckets(spec.bucket()).num_bytes() - spec.offset()) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight \"", spec.name(), "\" lies outside its bucket"));
  }
  return absl::OkStatus();
}

absl::Status Check(const v1::WeightManifest& manifest) {
  uint64_t total = 0;
  for (const v1::BucketSpec& bucket : manifest.buckets()) {
    total += bucket.num_bytes();
    if (bucket.num_bytes() > kMaxTotalBytes || total > kMaxTotalBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("weights of ", total, " bytes are more than we take"));
    }
  }
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    RLHF_RETURN_IF_ERROR(CheckPlace(spec, manifest));
  }
  if (ManifestXxh3(manifest) != manifest.xxh3()) {
    return absl::DataLossError(absl::StrCat("the manifest of weights version ",
                                            manifest.version(),
                                            " is not what its checksum says"));
  }
  return absl::OkStatus();
}

// All of a bucket as bytes, which own their share of it. Nobody writes them:
// the type has no way to say so.
at::Tensor AsBytes(const std::shared_ptr<const SharedMemory>& bucket) {
  const absl::string_view bytes = bucket->bytes();
  return at::from_blob(
      const_cast<char*>(bytes.data()), {static_cast<int64_t>(bytes.size())},
      [bucket](void*) {}, at::TensorOptions(at::kByte));
}

}  // namespace

WeightVersion::WeightVersion(v1::WeightManifest manifest)
    : manifest_(std::move(manifest)) {}

absl::StatusOr<std::shared_ptr<WeightVersion>> WeightVersion::Create(
    v1::WeightManifest manifest) {
  RLHF_RETURN_IF_ERROR(Check(manifest));
  return std::shared_ptr<WeightVersion>(new WeightVersion(std::move(manifest)));
}

std::shared_ptr<WeightVersion> WeightVersion::Of(
    const std::shared_ptr<const WeightSnapshot>& snapshot) {
  std::shared_ptr<WeightVersion> version(new WeightVersion(snapshot->manifest));
  MutexLock lock(&version->mutex_);
  for (const SharedMemory& bucket : snapshot->buckets) {
    version->buckets_.emplace_back(snapshot, &bucket);
  }
  return version;
}

bool WeightVersion::MapBuckets() {
  std::vector<std::shared_ptr<const SharedMemory>> mapped;
  for (const v1::BucketSpec& spec : manifest_.buckets()) {
    absl::StatusOr<SharedMemory> memory =
        SharedMemory::Map(spec.shared_path(), spec.num_bytes());
    if (!memory.ok() || Xxh3(memory->bytes()) != spec.xxh3()) return false;
    mapped.push_back(std::make_shared<const SharedMemory>(*std::move(memory)));
  }
  MutexLock lock(&mutex_);
  buckets_ = std::move(mapped);
  return true;
}

uint64_t WeightVersion::total_bytes() const {
  uint64_t total = 0;
  for (const v1::BucketSpec& bucket : manifest_.buckets()) {
    total += bucket.num_bytes();
  }
  return total;
}

int WeightVersion::num_proven() const {
  MutexLock lock(&mutex_);
  return static_cast<int>(buckets_.size());
}

uint64_t WeightVersion::proven_bytes() const {
  uint64_t bytes = 0;
  for (int b = 0; b < num_proven(); ++b) {
    bytes += manifest_.buckets(b).num_bytes();
  }
  return bytes;
}

absl::StatusOr<char*> WeightVersion::NextBucket() {
  RLHF_CHECK(!whole()) << "all of version " << manifest_.version();
  if (next_ == nullptr) {
    RLHF_ASSIGN_OR_RETURN(
        SharedMemory memory,
        SharedMemory::Create(manifest_.buckets(num_proven()).num_bytes()));
    next_ = std::make_shared<SharedMemory>(std::move(memory));
  }
  return next_->data();
}

absl::Status WeightVersion::Prove(uint64_t xxh3) {
  RLHF_CHECK(next_ != nullptr) << "NextBucket comes first";
  MutexLock lock(&mutex_);
  const auto bucket = static_cast<int>(buckets_.size());
  if (xxh3 != manifest_.buckets(bucket).xxh3()) {
    return absl::DataLossError(absl::StrCat(
        "weights version ", manifest_.version(), ": bucket ", bucket, " of ",
        manifest_.buckets_size(), " arrived damaged"));
  }
  buckets_.push_back(std::exchange(next_, nullptr));
  proven_.SignalAll();
  return absl::OkStatus();
}

std::shared_ptr<const SharedMemory> WeightVersion::Await(
    int bucket, absl::Duration timeout) const {
  const absl::Time deadline = MonotonicNow() + timeout;
  MutexLock lock(&mutex_);
  while (static_cast<size_t>(bucket) >= buckets_.size()) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) return nullptr;
    proven_.WaitFor(&mutex_, left);
  }
  return buckets_[bucket];
}

absl::StatusOr<NamedTensors> WeightVersion::Tensors() const {
  MutexLock lock(&mutex_);
  if (static_cast<int>(buckets_.size()) != manifest_.buckets_size()) {
    return absl::DataLossError(absl::StrCat(
        "weights version ", manifest_.version(), ": ", buckets_.size(), " of ",
        manifest_.buckets_size(), " buckets are here"));
  }
  std::vector<at::Tensor> bytes;
  for (const auto& bucket : buckets_) bytes.push_back(AsBytes(bucket));
  NamedTensors tensors;
  for (const v1::TensorSpec& spec : manifest_.tensors()) {
    const std::vector<int64_t> shape(spec.shape().begin(), spec.shape().end());
    RLHF_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeOf(spec));
    RLHF_ASSIGN_OR_RETURN(const uint64_t size, NumBytes(spec));
    tensors.push_back(
        {spec.name(), size == 0
                          ? at::empty(shape, dtype)
                          : bytes[spec.bucket()]
                                .narrow(0, static_cast<int64_t>(spec.offset()),
                                        static_cast<int64_t>(size))
                                .view(dtype)
                                .view(shape)});
  }
  return tensors;
}

}  // namespace rlhf
