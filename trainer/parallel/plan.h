// What a run would take of each learner rank, by arithmetic alone: memory,
// bytes on the wire, time. Its byte counts are those that ranks really send
// (plan_test.cc).
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/nn/model_config.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Elements of a model's weights, by the blocks in which they are sharded.
struct BlockSizes {
  int64_t num_layers = 0;
  int64_t layer = 0;
  // Embedding, last norm and head.
  int64_t outer = 0;
  // Of a policy whose hidden states the critic reads; else 0.
  int64_t value_head = 0;
  // Of adapters and what is trained whole beside them; 0: every weight is.
  int64_t adapters = 0;

  int64_t total() const { return num_layers * layer + outer + value_head; }
  int64_t trained() const {
    return adapters > 0 ? adapters + value_head : total();
  }
};

// `lora_rank` 0: no adapters.
BlockSizes BlocksOf(const ModelConfig& config, bool with_value_head,
                    int64_t lora_rank = 0);

// A well-known model by its size: 135M, 360M, 1.7B (SmolLM2), 7B, 13B, 70B
// (Llama 2). Errors: NotFound, with the names there are.
absl::StatusOr<ModelConfig> NamedShape(absl::string_view name);

// The work of one update on one rank.
struct UpdateWork {
  // Optimizer steps.
  int64_t steps = 1;
  // Micro-batches before the first step, and within each.
  int64_t evaluation_passes = 1;
  int64_t passes_per_step = 1;
  // This rank's rollouts, and the tokens of one: prompt and response.
  int64_t rollouts = 1;
  int64_t prompt_tokens = 0;
  int64_t response_tokens = 0;
  // Times that each is trained on.
  int64_t epochs = 1;
};

// For rollouts that are all of one length; with other lengths a minibatch may
// take a micro-batch more or fewer.
UpdateWork WorkOf(const v1::PpoConfig& config, int64_t micro_batch_tokens,
                  int64_t ranks, int64_t prompt_tokens,
                  int64_t response_tokens);

struct PlanInput {
  ModelConfig policy;
  // A critic with weights of its own.
  std::optional<ModelConfig> critic;
  int64_t ranks = 1;
  bool sharded = false;
  bool recompute_activations = false;
  // Of adapters; 0: none. Not with `sharded`.
  int64_t lora_rank = 0;
  // Of an element in passes: 4 or 2.
  int64_t dtype_bytes = 4;
  int64_t micro_batch_tokens = 2048;
  UpdateWork work;
};

// Bytes held by one rank.
struct PlanMemory {
  // Float32: the policy's and a separate critic's.
  int64_t weights = 0;
  int64_t gradients = 0;
  int64_t optimizer = 0;
  // Copies in the dtype of passes, with their gradients; with adapters, the
  // weights merged with them.
  int64_t working_copy = 0;
  // Of sharded models, at the peak: weights that were gathered, gradients on
  // their way.
  int64_t passing_through = 0;
  int64_t reference = 0;
  int64_t activations = 0;
  // On rank 0 only: the weights as they are offered to actors, and as they were
  // gathered for it.
  int64_t publishing = 0;

  int64_t total() const;
};

// Bytes that one rank sends.
struct PlanTraffic {
  // In one update.
  int64_t all_gather = 0;
  int64_t reduce_scatter = 0;
  int64_t all_reduce = 0;
  // To publish the policy after it.
  int64_t publish_gather = 0;

  int64_t total() const {
    return all_gather + reduce_scatter + all_reduce + publish_gather;
  }
};

PlanMemory PlannedMemory(const PlanInput& input);
PlanTraffic PlannedTraffic(const PlanInput& input);

// Floating-point operations of one update on one rank: matrix products and
// attention, nothing else.
double PlannedFlops(const PlanInput& input);

// Bytes that a layer and token leave for the backward pass.
int64_t ActivationBytesPerToken(const ModelConfig& config, int64_t dtype_bytes);

}  // namespace rlhf
