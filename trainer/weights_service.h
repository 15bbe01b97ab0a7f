// The Weights service: the newest version of the policy, for any actor that
// asks, at any time.
#pragma once

#include <memory>

#include "core/base/mutex.h"
#include "core/comm/weight_snapshot.h"
#include "rlhf/v1/weights.grpc.pb.h"

namespace rlhf {

// Thread-safe. Holds one version; a fetch that is under way keeps its own alive
// until it ends.
class WeightsService final : public v1::Weights::Service {
 public:
  void Publish(std::shared_ptr<const WeightSnapshot> snapshot);

  // Wakes every waiting GetManifest; they return at once from now on.
  void Stop();

  grpc::Status GetManifest(grpc::ServerContext* context,
                           const v1::GetManifestRequest* request,
                           v1::WeightManifest* response) override;
  grpc::Status Fetch(grpc::ServerContext* context,
                     const v1::FetchRequest* request,
                     grpc::ServerWriter<v1::WeightChunk>* writer) override;

 private:
  Mutex mutex_;
  CondVar published_;
  std::shared_ptr<const WeightSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
