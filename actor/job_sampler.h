// Answers Generate calls: each becomes sequences of the policy runner, and its
// reply is sent when the last of them is done.
#pragma once

#include <memory>
#include <vector>

#include "actor/generation_service.h"
#include "actor/policy_runner.h"
#include "actor/prompt_codec.h"

namespace rlhf {

// Not thread-safe: of the thread that steps the runner.
class JobSampler {
 public:
  // Pointers are not owned and must outlive this, and the runner's sequences.
  JobSampler(GenerationService* service, const PromptCodec* codec,
             PolicyRunner* runner)
      : service_(service), codec_(codec), runner_(runner) {}

  // Ends calls whose callers went away.
  void DropAbandoned();

  // Takes waiting calls while the runner has room; where there is nothing else
  // to do, waits a moment for one. Without a policy calls are refused as
  // Unavailable.
  void TakeJobs();

 private:
  struct OpenJob;

  // Errors: InvalidArgument, and then no sequence was added.
  absl::Status Admit(const std::shared_ptr<OpenJob>& open);
  void Finish(OpenJob& open, int prompt, int sample,
              absl::StatusOr<EngineResult> result) const;

  GenerationService* const service_;
  const PromptCodec* const codec_;
  PolicyRunner* const runner_;
  // The runner's sequences own them.
  std::vector<std::weak_ptr<OpenJob>> open_;
};

}  // namespace rlhf
