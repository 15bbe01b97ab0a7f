#include "actor/weight_stream.h"

#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/comm/weight_receiver.h"
#include "core/config/address.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(2);

// Between two reports while bytes come.
constexpr absl::Duration kReport = absl::Milliseconds(500);

// After a source from which nothing new came.
constexpr absl::Duration kPause = absl::Milliseconds(100);

std::string RandomName() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

// The learner names itself by its port alone.
bool IsLearner(const std::string& source) {
  return absl::StartsWith(source, ":");
}

std::string WithoutBrackets(const std::string& host) {
  return absl::StartsWith(host, "[") ? host.substr(1, host.size() - 2) : host;
}

// What other actors are told: where they reach this machine.
absl::StatusOr<std::string> RelayHost(const WeightStream::Relay& relay,
                                      const std::string& learner_host) {
  const bool any = relay.host == "0.0.0.0" || relay.host == "[::]";
  if (!relay.host.empty() && !any) return relay.host;
  RLHF_ASSIGN_OR_RETURN(const std::string own,
                        LocalAddressTowards(WithoutBrackets(learner_host)));
  if (!IsLoopbackHost(own) && own != "::1") return own;
  return absl::FailedPreconditionError(
      absl::StrCat("this machine speaks to ", learner_host, " from ", own,
                   ", where no other actor reaches it; set listen_host to an "
                   "address of it"));
}

}  // namespace

WeightStream::WeightStream(v1::Weights::StubInterface* learner,
                           const Options& options, ActorMetrics* metrics)
    : learner_(learner),
      options_(options),
      metrics_(metrics),
      name_(RandomName()) {}

void WeightStream::Hold(std::shared_ptr<WeightVersion> version) {
  const bool resumed = version_ != nullptr && version_->manifest().xxh3() ==
                                                  version->manifest().xxh3();
  if (!resumed) version_ = std::move(version);
  if (sender_ == nullptr) {
    const absl::Status started = StartSender();
    // Tried again with every version: a port may become free.
    if (!started.ok() && !std::exchange(told_, true)) {
      RLHF_LOG(WARNING) << "weights are received, but not sent on: " << started;
    }
  }
  if (sender_ != nullptr) sender_->Offer(version_);
}

absl::Status WeightStream::StartSender() {
  RLHF_ASSIGN_OR_RETURN(const std::string host,
                        RelayHost(options_.relay, options_.learner_host));
  RLHF_ASSIGN_OR_RETURN(
      sender_,
      WeightSender::Start(
          options_.relay.host.empty() ? host : options_.relay.host,
          {.port = options_.relay.port, .on_sent = [this](uint64_t bytes) {
             metrics_->weights_sent_bytes.Increment(static_cast<double>(bytes));
           }}));
  address_ = WithPort(host, sender_->port());
  return absl::OkStatus();
}

absl::StatusOr<std::string> WeightStream::FindSource(
    uint64_t num_bytes, const std::string& failed) {
  v1::FindSourceRequest request;
  request.set_version(version_->manifest().version());
  request.set_receiver(name_);
  request.set_address(address_);
  request.set_num_buckets(version_->num_proven());
  request.set_num_bytes(num_bytes);
  request.set_failed_source(failed);
  v1::FindSourceResponse response;
  const auto context = ContextWithDeadline(kCallTimeout);
  RLHF_RETURN_IF_ERROR(
      FromGrpcStatus(learner_->FindSource(context.get(), request, &response)));
  return response.source();
}

absl::Status WeightStream::ReceiveFrom(const std::string& source,
                                       absl::Time deadline,
                                       const std::stop_token& stop) {
  absl::Time reported = MonotonicNow();
  const auto tick = [&](uint64_t num_bytes) -> absl::Status {
    const absl::Time now = MonotonicNow();
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    if (now > deadline) return absl::DeadlineExceededError("out of time");
    if (now - reported < kReport) return absl::OkStatus();
    const absl::StatusOr<std::string> better = FindSource(num_bytes, "");
    reported = MonotonicNow();
    // The source works, also where the learner does not answer, or has a newer
    // version.
    if (!better.ok() || *better == source) return absl::OkStatus();
    return absl::AbortedError(absl::StrCat(*better, " is a better source"));
  };
  const bool from_learner = IsLearner(source);
  const uint64_t before = version_->proven_bytes();
  const absl::Status status = ReceiveWeights(
      from_learner ? absl::StrCat(options_.learner_host, source) : source,
      *version_, {.stall = options_.stall, .tick = tick});
  (from_learner ? metrics_->weights_from_learner_bytes
                : metrics_->weights_from_actors_bytes)
      .Increment(static_cast<double>(version_->proven_bytes() - before));
  return status;
}

absl::StatusOr<std::shared_ptr<WeightVersion>> WeightStream::Receive(
    std::shared_ptr<WeightVersion> version, absl::Duration timeout,
    const std::stop_token& stop) {
  const absl::Time deadline = MonotonicNow() + timeout;
  Hold(std::move(version));
  std::string failed;
  absl::Status last;
  while (!version_->whole()) {
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    if (MonotonicNow() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("weights did not arrive in time: ", last.message()));
    }
    RLHF_ASSIGN_OR_RETURN(const std::string source,
                          FindSource(version_->proven_bytes(), failed));
    const int before = version_->num_proven();
    last = ReceiveFrom(source, deadline, stop);
    last_used_ = MonotonicNow();
    failed.clear();
    if (last.ok() || absl::IsAborted(last) || stop.stop_requested()) continue;
    metrics_->weights_sources_failed.Increment();
    // Nobody can have it better from elsewhere.
    if (absl::IsDataLoss(last) && IsLearner(source)) return last;
    RLHF_LOG(WARNING) << "asking for another source of weights: " << last;
    failed = source;
    if (version_->num_proven() == before) WaitForShutdown(kPause);
  }
  last_used_ = MonotonicNow();
  // Makes room at the source, and others may be sent here.
  FindSource(version_->total_bytes(), "").IgnoreError();
  return version_;
}

void WeightStream::LetGo() {
  if (version_ == nullptr) return;
  const absl::Time now = MonotonicNow();
  if (sender_ != nullptr && sender_->num_streams() > 0) last_used_ = now;
  if (now - last_used_ < options_.linger) return;
  if (sender_ != nullptr) sender_->Withdraw();
  version_.reset();
}

}  // namespace rlhf
