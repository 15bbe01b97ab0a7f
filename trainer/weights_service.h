// The Weights service: the newest version of the policy, for any actor that
// asks, at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/mutex.h"
#include "core/comm/feed_tree.h"
#include "core/comm/weight_sender.h"
#include "core/comm/weight_snapshot.h"
#include "rlhf/v1/weights.grpc.pb.h"

namespace rlhf {

// Thread-safe. Holds the newest version, and the sender one more while it is on
// its way (core/comm/weight_sender.h).
class WeightsService final : public v1::Weights::Service {
 public:
  // Lets actors on other machines receive versions, from a port of `host` and
  // from one another. Once, before gRPC starts.
  //
  // Errors: as WeightSender::Start.
  absl::Status Listen(const std::string& host,
                      const WeightSender::Options& options);

  // Waits for no receiver.
  void Publish(std::shared_ptr<const WeightSnapshot> snapshot);

  // Wakes every waiting GetManifest; they return at once from now on.
  void Stop();

  grpc::Status GetManifest(grpc::ServerContext* context,
                           const v1::GetManifestRequest* request,
                           v1::WeightManifest* response) override;
  grpc::Status FindSource(grpc::ServerContext* context,
                          const v1::FindSourceRequest* request,
                          v1::FindSourceResponse* response) override;

 private:
  Mutex mutex_;
  CondVar published_;
  std::shared_ptr<const WeightSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  FeedTree tree_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<WeightSender> sender_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
