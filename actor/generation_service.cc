#include "actor/generation_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/response_chunker.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

// In one call, so that what waits for the engine is bounded.
constexpr int64_t kMaxResponses = 1024;

absl::Status Validate(const v1::GenerateRequest& request) {
  if (request.prompts().empty()) {
    return absl::InvalidArgumentError("prompts: at least one is needed");
  }
  if (request.num_samples() < 1 || request.num_samples() > 64) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_samples: ", request.num_samples(), "; wanted 1 to 64"));
  }
  const int64_t num_responses =
      int64_t{request.prompts_size()} * request.num_samples();
  if (num_responses > kMaxResponses) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompts x num_samples: ", num_responses,
                     " responses in one call; at most ", kMaxResponses));
  }
  if (request.max_new_tokens() < 1) {
    return absl::InvalidArgumentError("max_new_tokens: wanted at least 1");
  }
  if (!(request.temperature() >= 0 && request.temperature() <= 10)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "temperature: ", request.temperature(), "; wanted 0 to 10"));
  }
  if (request.time_limit_ms() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("time_limit_ms: ", request.time_limit_ms(),
                     "; wanted 0 (no limit) or more"));
  }
  return absl::OkStatus();
}

// A response for every prompt and sample, all of them empty.
v1::GenerateResponse EmptyResponse(const v1::GenerateRequest& request) {
  v1::GenerateResponse response;
  for (int p = 0; p < request.prompts_size(); ++p) {
    v1::PromptResponses& result = *response.add_results();
    for (int s = 0; s < request.num_samples(); ++s) result.add_responses();
  }
  return response;
}

int64_t OldestVersion(const v1::GenerateResponse& response) {
  std::optional<int64_t> oldest;
  for (const v1::PromptResponses& result : response.results()) {
    for (const v1::Response& one : result.responses()) {
      for (const v1::VersionRun& run : one.policy_versions()) {
        oldest = std::min(oldest.value_or(run.version()), run.version());
      }
    }
  }
  return oldest.value_or(0);
}

}  // namespace

std::unique_ptr<GenerationJob> GenerationService::Next(absl::Duration timeout) {
  return queue_.Pop(timeout).value_or(nullptr);
}

void GenerationService::Stop() {
  queue_.Close();
  // A job that is dropped answers its call.
  while (queue_.Pop(absl::ZeroDuration()).has_value()) {
  }
}

grpc::Status GenerationService::Serve(
    grpc::ServerContext* context, const v1::GenerateRequest& request,
    bool as_they_come,
    const std::function<bool(const v1::GenerateChunk&)>& take) {
  const absl::Status valid = Validate(request);
  if (!valid.ok()) return ToGrpcStatus(valid);
  auto job = std::make_unique<GenerationJob>();
  job->request = request;
  job->as_they_come = as_they_come;
  const std::shared_ptr<ChunkStream> chunks = job->chunks;
  if (!queue_.TryPush(std::move(job))) {
    return ToGrpcStatus(
        queue_.closed() ? absl::UnavailableError("the actor is stopping")
                        : absl::ResourceExhaustedError(
                              "the generation queue is full; try again later"));
  }
  while (true) {
    const auto chunk = chunks->Next(absl::Milliseconds(100));
    if (chunk.has_value() && !context->IsCancelled() && take(*chunk)) continue;
    if (const auto end = chunks->end(); !chunk.has_value() && end.has_value()) {
      return ToGrpcStatus(*end);
    }
    if (chunk.has_value() || context->IsCancelled()) {
      chunks->Cancel();
      return grpc::Status::CANCELLED;
    }
  }
}

grpc::Status GenerationService::Generate(grpc::ServerContext* context,
                                         const v1::GenerateRequest* request,
                                         v1::GenerateResponse* response) {
  std::optional<v1::GenerateResponse> whole;
  const grpc::Status status = Serve(
      context, *request, /*as_they_come=*/false,
      [&](const v1::GenerateChunk& chunk) {
        if (!whole.has_value()) whole = EmptyResponse(*request);
        AppendPart(chunk.part(), *whole->mutable_results(chunk.prompt())
                                      ->mutable_responses(chunk.sample()));
        return true;
      });
  if (!status.ok()) return status;
  if (whole.has_value()) *response = *std::move(whole);
  response->set_policy_version(OldestVersion(*response));
  return status;
}

grpc::Status GenerationService::GenerateStream(
    grpc::ServerContext* context, const v1::GenerateRequest* request,
    grpc::ServerWriter<v1::GenerateChunk>* writer) {
  return Serve(context, *request, /*as_they_come=*/true,
               [writer](const v1::GenerateChunk& chunk) {
                 // Waits here for a slow reader; false if it went away.
                 return writer->Write(chunk);
               });
}

}  // namespace rlhf
