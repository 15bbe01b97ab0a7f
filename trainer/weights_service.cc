#include "trainer/weights_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

constexpr size_t kChunkBytes = 4 << 20;

// A longer wait would outlive the caller's deadline.
constexpr int64_t kMaxWaitMs = 30'000;

}  // namespace

void WeightsService::Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
  MutexLock lock(&mutex_);
  snapshot_ = std::move(snapshot);
  published_.SignalAll();
}

void WeightsService::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  published_.SignalAll();
}

grpc::Status WeightsService::GetManifest(grpc::ServerContext* context,
                                         const v1::GetManifestRequest* request,
                                         v1::WeightManifest* response) {
  MutexLock lock(&mutex_);
  const absl::Time deadline =
      MonotonicNow() + absl::Milliseconds(std::clamp<int64_t>(
                           request->wait_ms(), 0, kMaxWaitMs));
  while (!stopped_ && !context->IsCancelled() &&
         (snapshot_ == nullptr ||
          snapshot_->manifest.version() <= request->newer_than())) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) break;
    // Cancellation does not signal, so look up now and then.
    published_.WaitFor(&mutex_, std::min(left, absl::Milliseconds(500)));
  }
  if (snapshot_ == nullptr) {
    return ToGrpcStatus(
        absl::UnavailableError("no policy version is published yet"));
  }
  *response = snapshot_->manifest;
  return grpc::Status::OK;
}

grpc::Status WeightsService::Fetch(
    grpc::ServerContext* context, const v1::FetchRequest* request,
    grpc::ServerWriter<v1::WeightChunk>* writer) {
  std::shared_ptr<const WeightSnapshot> snapshot;
  {
    MutexLock lock(&mutex_);
    snapshot = snapshot_;
  }
  if (snapshot == nullptr ||
      snapshot->manifest.version() != request->version()) {
    return ToGrpcStatus(
        absl::NotFoundError(absl::StrCat("policy version ", request->version(),
                                         " is not held; ask for a manifest")));
  }
  for (size_t b = 0; b < snapshot->buckets.size(); ++b) {
    const absl::string_view bucket = snapshot->buckets[b].bytes();
    for (size_t offset = 0; offset < bucket.size(); offset += kChunkBytes) {
      v1::WeightChunk chunk;
      chunk.set_bucket(static_cast<int32_t>(b));
      chunk.set_offset(offset);
      chunk.set_data(std::string(bucket.substr(offset, kChunkBytes)));
      if (context->IsCancelled() || !writer->Write(chunk)) {
        return grpc::Status::CANCELLED;
      }
    }
  }
  return grpc::Status::OK;
}

}  // namespace rlhf
