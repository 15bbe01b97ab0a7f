#include "trainer/weights_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_version.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

// A longer wait would outlive the caller's deadline.
constexpr int64_t kMaxWaitMs = 30'000;

}  // namespace

absl::Status WeightsService::Listen(const std::string& host,
                                    const WeightSender::Options& options) {
  RLHF_ASSIGN_OR_RETURN(auto sender, WeightSender::Start(host, options));
  MutexLock lock(&mutex_);
  sender_ = std::move(sender);
  if (snapshot_ != nullptr) sender_->Offer(WeightVersion::Of(snapshot_));
  return absl::OkStatus();
}

void WeightsService::Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
  MutexLock lock(&mutex_);
  snapshot_ = std::move(snapshot);
  tree_.Begin(snapshot_->manifest.buckets_size());
  if (sender_ != nullptr) sender_->Offer(WeightVersion::Of(snapshot_));
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

grpc::Status WeightsService::FindSource(grpc::ServerContext*,
                                        const v1::FindSourceRequest* request,
                                        v1::FindSourceResponse* response) {
  MutexLock lock(&mutex_);
  if (sender_ == nullptr) {
    return ToGrpcStatus(
        absl::UnavailableError("this learner sends weights to nobody"));
  }
  if (snapshot_ == nullptr ||
      snapshot_->manifest.version() != request->version()) {
    return ToGrpcStatus(absl::NotFoundError(
        absl::StrCat("policy version ", request->version(),
                     " is not the newest; ask for a manifest")));
  }
  const std::string source =
      tree_.Report({.receiver = request->receiver(),
                    .address = request->address(),
                    .num_buckets = request->num_buckets(),
                    .num_bytes = request->num_bytes(),
                    .failed_source = request->failed_source()},
                   MonotonicNow());
  response->set_source(source == FeedTree::kLearner
                           ? absl::StrCat(":", sender_->port())
                           : source);
  return grpc::Status::OK;
}

}  // namespace rlhf
