// Answers Generate calls: each becomes sequences of the policy runner, whose
// tokens are handed on as the caller takes them.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/generation_service.h"
#include "actor/policy_runner.h"
#include "actor/prompt_codec.h"

namespace rlhf {

// Not thread-safe: of the thread that steps the runner. Destroyed, it tells the
// callers that are left that the actor is stopping.
class JobSampler {
 public:
  // Pointers are not owned and must outlive this. The runner's engine has the
  // codec's tokenizer.
  JobSampler(GenerationService* service, const PromptCodec* codec,
             PolicyRunner* runner)
      : service_(service), codec_(codec), runner_(runner) {}

  // Ends calls whose callers went away.
  void DropAbandoned();

  // Begins responses, and takes waiting calls, while the runner has room; where
  // there is nothing else to do, waits a moment for one. So a call of many
  // responses neither keeps rollouts out nor begins anything while a new
  // version waits. Without a policy calls are refused as Unavailable. Calls
  // that are done but not read yet count too: at most kMaxOpenJobs are held at
  // once.
  void TakeJobs();

  // Hands on what the runner's last step sampled, as far as there is room for
  // it: the rest stays where it is until a later call of this.
  void HandOut();

  static constexpr size_t kMaxOpenJobs = 1024;

 private:
  struct OpenJob;

  // Errors: InvalidArgument, and then nothing of it is kept.
  absl::Status Admit(const std::shared_ptr<OpenJob>& open);
  absl::StatusOr<std::vector<EngineRequest>> ReadPrompts(
      const v1::GenerateRequest& request) const;
  // Responses of the open calls, the oldest call first.
  void BeginResponses();
  void Begin(const std::shared_ptr<OpenJob>& open, size_t place);
  // Whether nothing is left to hand out.
  bool HandOut(OpenJob& open) const;

  GenerationService* const service_;
  const PromptCodec* const codec_;
  PolicyRunner* const runner_;
  std::vector<std::shared_ptr<OpenJob>> open_;
};

}  // namespace rlhf
