// Whether an update went wrong, and what becomes of its batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

struct UpdateHealth {
  // Optimizer steps that were made, and those left out for a gradient that was
  // not finite.
  int64_t num_steps = 0;
  int64_t num_skipped_steps = 0;
  // KL(policy, reference) on the batch, before the first step.
  double kl_nats_per_sequence = 0;
};

struct Divergence {
  enum class Action { kContinue, kStop, kSkip, kRollBack };
  Action action = Action::kContinue;
  // What is wrong, in words.
  std::string reason;
  // The policy before the update is bad itself, not only what the batch makes
  // of it.
  bool policy_is_bad = false;
};

// A KL above learner.max_kl_nats_per_sequence, if there is a limit; no step
// though some were tried. A KL that is not a number is above any limit.
Divergence JudgeUpdate(const UpdateHealth& health,
                       const v1::LearnerConfig& config);

// A batch that was left out: what rank 0 tells the others, and what stands
// beside the batch's journal for whoever resumes.
struct LeftOut {
  // Of the batch: update and PM.
  v1::BatchHeader header;
  std::string reason;
  // The checkpoint whose weights the update publishes; none: those before it.
  std::optional<int64_t> rolled_back_to;
};

std::string EncodeLeftOut(const LeftOut& left_out);
// Errors: InvalidArgument for what EncodeLeftOut did not make.
absl::StatusOr<LeftOut> DecodeLeftOut(const std::string& text);

// Moves the journal of the batch aside, to NNNNNN.poisoned.pb beside a
// NNNNNN.poisoned.json that tells why: after a crash at any point either the
// batch is trained on again, with the same result, or it stays left out.
absl::Status SetAside(const std::string& run_directory,
                      const LeftOut& left_out);

// What SetAside noted of the batch of `update`; nullopt if it is not set aside.
// Errors: those of reading.
absl::StatusOr<std::optional<LeftOut>> FindLeftOut(
    const std::string& run_directory, int64_t update);

}  // namespace rlhf
