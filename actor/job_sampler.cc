#include "actor/job_sampler.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/response_chunker.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"

namespace rlhf {
namespace {

struct OpenResponse {
  int prompt = 0;
  int sample = 0;
  // What it asks of the engine.
  EngineRequest request;
  ResponseChunker chunker;
  // The runner's, once it has begun.
  std::optional<uint64_t> sequence;
  // Once the runner is done with it, until its last part is handed out.
  std::optional<EngineResult> result;
  bool handed_out = false;
};

StopConditions StopsOf(const v1::GenerateRequest& request) {
  return {.strings = {request.stop().begin(), request.stop().end()},
          .repetition_block = request.repetition().max_block(),
          .repetition_copies = request.repetition().copies()};
}

EngineRequest SequenceOf(const v1::GenerateRequest& request) {
  return {.max_new_tokens = request.max_new_tokens(),
          .temperature = request.temperature(),
          .truncation = {.top_k = request.top_k(),
                         .top_p = request.top_p() == 0 ? 1 : request.top_p()},
          .stops = StopsOf(request),
          .deadline = request.time_limit_ms() == 0
                          ? absl::InfiniteFuture()
                          : MonotonicNow() +
                                absl::Milliseconds(request.time_limit_ms())};
}

}  // namespace

// A call whose responses are not all handed out.
struct JobSampler::OpenJob {
  std::unique_ptr<GenerationJob> job;
  std::vector<OpenResponse> responses;
  // The first so many have begun.
  size_t num_begun = 0;
  // Whose turn it is when there is room for a chunk.
  size_t next = 0;
  bool failed = false;

  ChunkStream& chunks() const { return *job->chunks; }
};

void JobSampler::DropAbandoned() {
  std::erase_if(open_, [this](const std::shared_ptr<OpenJob>& open) {
    if (!open->chunks().cancelled()) return false;
    for (const OpenResponse& response : open->responses) {
      if (response.sequence.has_value()) runner_->Cancel(*response.sequence);
    }
    return true;
  });
}

void JobSampler::TakeJobs() {
  BeginResponses();
  if (runner_->has_policy() && runner_->room() == 0) return;
  do {
    if (open_.size() >= kMaxOpenJobs) return;
    auto open = std::make_shared<OpenJob>();
    open->job = service_->Next(runner_->idle() ? absl::Milliseconds(20)
                                               : absl::ZeroDuration());
    if (open->job == nullptr) return;
    if (open->chunks().cancelled()) continue;
    const absl::Status status =
        runner_->has_policy()
            ? Admit(open)
            : absl::UnavailableError("no policy is loaded yet");
    if (!status.ok()) open->chunks().Finish(status);
    BeginResponses();
  } while (runner_->room() > 0);
}

void JobSampler::BeginResponses() {
  for (const std::shared_ptr<OpenJob>& open : open_) {
    while (open->num_begun < open->responses.size()) {
      if (runner_->room() == 0) return;
      Begin(open, open->num_begun++);
    }
  }
}

void JobSampler::Begin(const std::shared_ptr<OpenJob>& open, size_t place) {
  OpenResponse& response = open->responses[place];
  const absl::StatusOr<uint64_t> id = runner_->Add(
      std::move(response.request), [weak = std::weak_ptr<OpenJob>(open), place](
                                       absl::StatusOr<EngineResult> result) {
        const std::shared_ptr<OpenJob> job = weak.lock();
        if (job == nullptr) return;
        if (!result.ok()) {
          job->failed = true;
          return job->chunks().Finish(result.status());
        }
        job->responses[place].result = *std::move(result);
      });
  RLHF_CHECK(id.ok()) << id.status();  // it was validated
  response.sequence = *id;
}

absl::StatusOr<std::vector<EngineRequest>> JobSampler::ReadPrompts(
    const v1::GenerateRequest& request) const {
  std::vector<EngineRequest> prompts;
  for (int p = 0; p < request.prompts_size(); ++p) {
    const absl::Status at = [&]() -> absl::Status {
      prompts.push_back(SequenceOf(request));
      RLHF_ASSIGN_OR_RETURN(prompts.back().prompt_ids,
                            codec_->Encode(request.prompts(p)));
      return runner_->Validate(prompts.back());
    }();
    if (!at.ok()) return WithContext(at, absl::StrCat("prompts[", p, "]"));
  }
  return prompts;
}

absl::Status JobSampler::Admit(const std::shared_ptr<OpenJob>& open) {
  const v1::GenerateRequest& request = open->job->request;
  RLHF_ASSIGN_OR_RETURN(const std::vector<EngineRequest> prompts,
                        ReadPrompts(request));
  for (int p = 0; p < request.prompts_size(); ++p) {
    for (int s = 0; s < request.num_samples(); ++s) {
      EngineRequest sequence = prompts[p];
      sequence.stream =
          SampleStream(request.seed(), request.prompts(p).prompt_id(), s);
      open->responses.push_back(
          {.prompt = p,
           .sample = s,
           .request = sequence,
           .chunker = ResponseChunker(sequence.stops.strings)});
    }
  }
  open_.push_back(open);
  return absl::OkStatus();
}

void JobSampler::HandOut() {
  std::erase_if(open_, [this](const std::shared_ptr<OpenJob>& open) {
    return HandOut(*open);
  });
}

bool JobSampler::HandOut(OpenJob& open) const {
  if (open.failed) return true;
  const size_t count = open.responses.size();
  size_t num_handed_out = 0;
  for (size_t i = 0; i < count; ++i) {
    OpenResponse& response = open.responses[(open.next + i) % count];
    const EngineResult* const result =
        response.result.has_value()
            ? &*response.result
            : (open.job->as_they_come && !response.handed_out &&
                       response.sequence.has_value()
                   ? runner_->Find(*response.sequence)
                   : nullptr);
    const bool news = result != nullptr && (response.result.has_value() ||
                                            response.chunker.HasNews(*result));
    if (news && !open.chunks().has_room()) {
      open.next = (open.next + i) % count;
      return false;
    }
    if (news) {
      v1::GenerateChunk chunk;
      chunk.set_prompt(response.prompt);
      chunk.set_sample(response.sample);
      *chunk.mutable_part() = response.chunker.Next(*result);
      open.chunks().Push(std::move(chunk));
      response.handed_out = response.result.has_value();
      response.result.reset();
    }
    num_handed_out += response.handed_out ? 1 : 0;
  }
  if (num_handed_out < count) return false;
  open.chunks().Finish(absl::OkStatus());
  return true;
}

}  // namespace rlhf
