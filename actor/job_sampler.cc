#include "actor/job_sampler.h"

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"

namespace rlhf {

// A call whose sequences are not all done. If it is dropped, its broken promise
// tells the call that the actor is stopping.
struct JobSampler::OpenJob {
  std::unique_ptr<GenerationJob> job;  // null once it is answered
  v1::GenerateResponse response;
  int num_missing = 0;
  std::vector<uint64_t> sequences;

  void Answer(absl::StatusOr<v1::GenerateResponse> answer) {
    job->answer.set_value(std::move(answer));
    job = nullptr;
  }
};

void JobSampler::DropAbandoned() {
  std::erase_if(open_, [this](const std::weak_ptr<OpenJob>& weak) {
    const std::shared_ptr<OpenJob> open = weak.lock();
    if (open == nullptr) return true;
    if (open->job != nullptr && !*open->job->cancelled) return false;
    for (const uint64_t id : open->sequences) runner_->Cancel(id);
    return true;
  });
}

void JobSampler::TakeJobs() {
  const absl::Duration patience =
      runner_->idle() ? absl::Milliseconds(20) : absl::ZeroDuration();
  if (runner_->has_policy() && runner_->room() == 0) return;
  do {
    auto open = std::make_shared<OpenJob>();
    open->job = service_->Next(patience);
    if (open->job == nullptr) return;
    if (*open->job->cancelled) continue;
    const absl::Status status =
        runner_->has_policy()
            ? Admit(open)
            : absl::UnavailableError("no policy is loaded yet");
    if (!status.ok()) open->Answer(status);
  } while (runner_->room() > 0);
}

absl::Status JobSampler::Admit(const std::shared_ptr<OpenJob>& open) {
  const v1::GenerateRequest& request = open->job->request;
  std::vector<EngineRequest> prompts;
  for (int p = 0; p < request.prompts_size(); ++p) {
    const absl::Status at = [&]() -> absl::Status {
      RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                            codec_->Encode(request.prompts(p)));
      prompts.push_back({.prompt_ids = std::move(ids),
                         .max_new_tokens = request.max_new_tokens(),
                         .temperature = request.temperature()});
      return runner_->Validate(prompts.back());
    }();
    if (!at.ok()) return WithContext(at, absl::StrCat("prompts[", p, "]"));
  }
  open->response.set_policy_version(runner_->version());
  open->num_missing = request.prompts_size() * request.num_samples();
  for (int p = 0; p < request.prompts_size(); ++p) {
    v1::PromptResponses& responses = *open->response.add_results();
    for (int s = 0; s < request.num_samples(); ++s) {
      responses.add_responses();
      EngineRequest sequence = prompts[p];
      sequence.stream =
          SampleStream(request.seed(), request.prompts(p).prompt_id(), s);
      const absl::StatusOr<uint64_t> id =
          runner_->Add(std::move(sequence),
                       [this, open, p, s](absl::StatusOr<EngineResult> result) {
                         Finish(*open, p, s, std::move(result));
                       });
      RLHF_CHECK(id.ok()) << id.status();  // it was validated
      open->sequences.push_back(*id);
    }
  }
  open_.push_back(open);
  return absl::OkStatus();
}

void JobSampler::Finish(OpenJob& open, int prompt, int sample,
                        absl::StatusOr<EngineResult> result) const {
  if (open.job == nullptr) return;  // failed with another sequence
  if (!result.ok()) return open.Answer(result.status());
  v1::Response& response =
      *open.response.mutable_results(prompt)->mutable_responses(sample);
  response.set_text(codec_->Decode(result->token_ids));
  response.mutable_token_ids()->Add(result->token_ids.begin(),
                                    result->token_ids.end());
  response.mutable_logprobs()->Add(result->logprobs.begin(),
                                   result->logprobs.end());
  response.set_finish_reason(result->finish_reason);
  if (--open.num_missing == 0) open.Answer(std::move(open.response));
}

}  // namespace rlhf
