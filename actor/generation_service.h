// The Generation service: takes requests to the thread that generates, and
// hands on what comes back.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "actor/chunk_stream.h"
#include "core/base/bounded_queue.h"
#include "rlhf/v1/generation.grpc.pb.h"

namespace rlhf {

// A request on its way to the engine. The engine's thread answers it with
// chunks: the last one of a response has its finish reason. If it is dropped
// unfinished, the caller is told that the actor is stopping.
struct GenerationJob {
  ~GenerationJob() {
    chunks->Finish(absl::UnavailableError("the actor is stopping"));
  }

  v1::GenerateRequest request;
  // Whether the caller wants tokens as they come, and not one chunk a response.
  bool as_they_come = false;
  std::shared_ptr<ChunkStream> chunks =
      std::make_shared<ChunkStream>(kCapacity);

  // Chunks that may wait for the caller.
  static constexpr size_t kCapacity = 64;
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

  grpc::Status GenerateStream(
      grpc::ServerContext* context, const v1::GenerateRequest* request,
      grpc::ServerWriter<v1::GenerateChunk>* writer) override;

 private:
  // Queues the request and calls `take` with each chunk until the last one, the
  // caller's leaving, or `take` returns false.
  grpc::Status Serve(grpc::ServerContext* context,
                     const v1::GenerateRequest& request, bool as_they_come,
                     const std::function<bool(const v1::GenerateChunk&)>& take);

  BoundedQueue<std::unique_ptr<GenerationJob>> queue_;
};

}  // namespace rlhf
