// Generates responses for many prompts at once: the place of a finished
// sequence is filled at the next step (continuous batching).
//
// What a response is depends on its own request and the model alone, not on
// what else is in the batch: the sampler is counter-based (core/nn/sampler.h).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/nn/kv_cache.h"
#include "core/nn/transformer.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

struct EngineRequest {
  // The caller's name for it; unique among the requests in the engine.
  uint64_t id = 0;
  std::vector<int32_t> prompt_ids;
  // core/nn/sampler.h, SampleStream.
  uint64_t stream = 0;
  int max_new_tokens = 1;
  // 0 is greedy.
  double temperature = 1;
};

struct EngineResult {
  uint64_t id = 0;
  // With the end-of-sequence token, if it ended so.
  std::vector<int32_t> token_ids;
  // One per token, nats, under the sampling distribution.
  std::vector<float> logprobs;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
};

// Not thread-safe: one thread adds and steps.
class GenerationEngine {
 public:
  struct Options {
    // Sequences decoded at once.
    int max_batch = 32;
    // Prompt and response together, in tokens.
    int64_t max_tokens = 2048;
    // Prompt tokens in one prefill; bounds its memory and how long the
    // sequences that are already decoding must wait.
    int64_t max_prefill_tokens = 2048;
    // Tokens that end a response.
    std::vector<int32_t> eos_ids;
  };

  // `model` is a language model. Allocates the cache of keys and values: throws
  // as LibTorch does if there is no memory for it.
  GenerationEngine(std::shared_ptr<const Transformer> model, Options options);

  // Errors: InvalidArgument for an empty prompt, an id outside the vocabulary,
  // no new token, or more than max_tokens in all.
  absl::Status Validate(const EngineRequest& request) const;

  // Queues a request; the caller bounds how many. Errors: those of Validate.
  absl::Status Add(EngineRequest request);

  // Forgets a request, wherever it stands; false if there is none of this id.
  bool Cancel(uint64_t id);

  // Admits what has room, then extends every sequence by one token. Returns the
  // requests that finished.
  //
  // Errors: of LibTorch, as TorchCall gives them; the engine is empty then.
  absl::StatusOr<std::vector<EngineResult>> Step();

  bool idle() const { return waiting_.empty() && running_.empty(); }
  int num_running() const { return static_cast<int>(running_.size()); }
  int num_waiting() const { return static_cast<int>(waiting_.size()); }

  // Takes a new version of the model. Dies unless idle.
  void SetModel(std::shared_ptr<const Transformer> model);

 private:
  struct Sequence {
    EngineRequest request;
    EngineResult result;
  };

  // Prefills waiting requests into free rows; returns their logits, [rows, V],
  // in row order, undefined if none was admitted.
  at::Tensor Admit();
  // Draws each sequence's next token from `logit_BV`, whose rows are the
  // running sequences from `first_row` on.
  void Extend(const at::Tensor& logit_BV, int64_t first_row);
  std::vector<EngineResult> RemoveFinished();
  void RemoveRow(int64_t row);

  std::shared_ptr<const Transformer> model_;
  const Options options_;
  KvCache cache_;
  std::deque<EngineRequest> waiting_;
  std::vector<Sequence> running_;  // by cache row
};

}  // namespace rlhf
