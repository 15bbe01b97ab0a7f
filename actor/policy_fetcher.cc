#include "actor/policy_fetcher.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_version.h"
#include "core/nn/device.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

// A manifest call waits this long on the server for something newer.
constexpr absl::Duration kLongPoll = absl::Seconds(5);

uint64_t TotalBytes(const v1::WeightManifest& manifest) {
  uint64_t total = 0;
  for (const v1::BucketSpec& bucket : manifest.buckets()) {
    total += bucket.num_bytes();
  }
  return total;
}

}  // namespace

absl::StatusOr<PolicyVersion> FetchPolicy(WeightStream& stream,
                                          const v1::WeightManifest& manifest,
                                          const ModelConfig& config,
                                          absl::Duration timeout,
                                          const std::stop_token& stop,
                                          at::Device device) {
  RLHF_ASSIGN_OR_RETURN(std::shared_ptr<WeightVersion> version,
                        WeightVersion::Create(manifest));
  if (!version->MapBuckets()) {
    RLHF_ASSIGN_OR_RETURN(version,
                          stream.Receive(std::move(version), timeout, stop));
  }
  RLHF_ASSIGN_OR_RETURN(NamedTensors weights, version->Tensors());
  // From here on a bucket lives as long as somebody reads it.
  version.reset();
  absl::StatusOr<Transformer> model =
      Transformer::Create(config, std::move(weights));
  if (!model.ok()) {
    return WithContext(model.status(), "the learner's weights do not fit");
  }
  RLHF_RETURN_IF_ERROR(MoveTo(device, *model));
  return PolicyVersion{
      .version = manifest.version(),
      .model = std::make_shared<Transformer>(*std::move(model))};
}

PolicyFetcher::PolicyFetcher(const std::string& address, ModelConfig config,
                             ActorMetrics* metrics, at::Device device,
                             const RpcIdentity& self,
                             const WeightStream::Relay& relay)
    : config_(std::move(config)),
      device_(device),
      stub_(v1::Weights::NewStub(MakeChannel(address, self, "learner"))),
      metrics_(metrics),
      stream_(stub_.get(),
              {.learner_host = address.substr(0, address.rfind(':')),
               .relay = relay},
              metrics),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

PolicyFetcher::~PolicyFetcher() { thread_.request_stop(); }

std::optional<PolicyVersion> PolicyFetcher::Take() {
  MutexLock lock(&mutex_);
  return std::exchange(fetched_, std::nullopt);
}

absl::Status PolicyFetcher::last_status() const {
  MutexLock lock(&mutex_);
  return last_status_;
}

void PolicyFetcher::Run(const std::stop_token& stop) {
  while (!stop.stop_requested() && !ShutdownRequested()) {
    const absl::Status status = FetchNext(stop);
    {
      MutexLock lock(&mutex_);
      last_status_ = status;
    }
    if (status.ok() || stop.stop_requested()) continue;
    if (status.code() != absl::StatusCode::kUnavailable) {
      RLHF_LOG(WARNING) << "policy fetch failed, trying again: " << status;
    }
    WaitForShutdown(absl::Milliseconds(500));
  }
}

absl::Status PolicyFetcher::FetchNext(const std::stop_token& stop) {
  stream_.LetGo();
  v1::GetManifestRequest request;
  request.set_newer_than(newest_);
  request.set_wait_ms(absl::ToInt64Milliseconds(kLongPoll));
  v1::WeightManifest manifest;
  const auto context = ContextWithDeadline(kLongPoll + absl::Seconds(5));
  const std::stop_callback cancel(stop, [&context] { context->TryCancel(); });
  RLHF_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->GetManifest(context.get(), request, &manifest)));
  // Versions never go back, also when the learner restarts behind us and
  // catches up: until then what we hold is as good.
  if (manifest.version() <= newest_) {
    // A learner that is stopping answers at once.
    WaitForShutdown(absl::Milliseconds(100));
    return absl::OkStatus();
  }
  const absl::Duration timeout =
      absl::Seconds(60) + absl::Seconds(TotalBytes(manifest) / (16 << 20));
  const Stopwatch stopwatch;
  absl::StatusOr<PolicyVersion> fetched =
      FetchPolicy(stream_, manifest, config_, timeout, stop, device_);
  if (!fetched.ok()) {
    metrics_->weights_pulls_failed.Increment();
    return fetched.status();
  }
  metrics_->weights_pulled.Increment();
  metrics_->weights_pull_seconds.Observe(stopwatch.seconds());
  newest_ = fetched->version;
  MutexLock lock(&mutex_);
  fetched_ = *std::move(fetched);
  return absl::OkStatus();
}

}  // namespace rlhf
