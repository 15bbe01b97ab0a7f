#include "actor/generation_service.h"

#include <chrono>

#include "absl/strings/str_cat.h"
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
  return absl::OkStatus();
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

grpc::Status GenerationService::Generate(grpc::ServerContext* context,
                                         const v1::GenerateRequest* request,
                                         v1::GenerateResponse* response) {
  const absl::Status valid = Validate(*request);
  if (!valid.ok()) return ToGrpcStatus(valid);
  auto job = std::make_unique<GenerationJob>();
  job->request = *request;
  const auto cancelled = job->cancelled;
  auto answer = job->answer.get_future();
  if (!queue_.TryPush(std::move(job))) {
    return ToGrpcStatus(
        queue_.closed() ? absl::UnavailableError("the actor is stopping")
                        : absl::ResourceExhaustedError(
                              "the generation queue is full; try again later"));
  }
  while (answer.wait_for(std::chrono::milliseconds(100)) !=
         std::future_status::ready) {
    if (context->IsCancelled()) {
      *cancelled = true;
      return grpc::Status::CANCELLED;
    }
  }
  // A job that is dropped unanswered breaks its promise; that is reported by an
  // exception, and means that the actor is stopping.
  try {
    auto result = answer.get();
    if (!result.ok()) return ToGrpcStatus(result.status());
    *response = *std::move(result);
    return grpc::Status::OK;
  } catch (const std::future_error&) {
    return ToGrpcStatus(absl::UnavailableError("the actor is stopping"));
  }
}

}  // namespace rlhf
