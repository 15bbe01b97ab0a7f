// The Generation service: takes requests to the thread that generates, and
// waits for it.
#pragma once

#include <atomic>
#include <future>
#include <memory>

#include "absl/status/statusor.h"
#include "core/base/bounded_queue.h"
#include "rlhf/v1/generation.grpc.pb.h"

namespace rlhf {

// A request on its way to the engine. The engine's thread answers it once.
struct GenerationJob {
  v1::GenerateRequest request;
  // Set when the caller went away: nobody waits for the answer.
  std::shared_ptr<std::atomic<bool>> cancelled =
      std::make_shared<std::atomic<bool>>(false);
  std::promise<absl::StatusOr<v1::GenerateResponse>> answer;
};

// Thread-safe.
class GenerationService final : public v1::Generation::Service {
 public:
  // At most `capacity` requests wait; more are refused.
  explicit GenerationService(size_t capacity) : queue_(capacity) {}

  // The oldest request that waits, if one comes within `timeout`.
  std::unique_ptr<GenerationJob> Next(absl::Duration timeout);

  // Answers requests that wait, and any that come later, with Unavailable.
  void Stop();

  grpc::Status Generate(grpc::ServerContext* context,
                        const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override;

 private:
  BoundedQueue<std::unique_ptr<GenerationJob>> queue_;
};

}  // namespace rlhf
