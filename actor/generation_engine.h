// Generates responses for many prompts at once: the place of a finished
// sequence is filled at the next step (continuous batching).
//
// What a response is depends on its own request and the model alone, not on
// what else is in the batch: the sampler is counter-based (core/nn/sampler.h).
// Two things can break that, if they are asked for: a deadline, and a model
// that changes under a running sequence (SetModel).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/engine_request.h"
#include "actor/staged_prompt.h"
#include "core/base/clock.h"
#include "core/nn/kv_cache.h"
#include "core/nn/transformer.h"
#include "core/text/tokenizer.h"

namespace rlhf {

// Not thread-safe: one thread adds and steps.
class GenerationEngine {
 public:
  struct Options {
    // Sequences decoded at once.
    int max_batch = 32;
    // Prompt and response together, in tokens.
    int64_t max_tokens = 2048;
    // Prompt tokens in one step; bounds its memory and how long the sequences
    // that are already decoding must wait. A prompt that is longer is taken in
    // chunks of so many, one a step.
    int64_t max_prefill_tokens = 2048;
    // Tokens that end a response.
    std::vector<int32_t> eos_ids;
    // Tokens whose keys and values are in memory at once, of all sequences; 0:
    // max_batch * max_tokens. With a limit a sequence has room for its prompt
    // and max_new_tokens, rows are as long as the longest needs, and fewer than
    // max_batch run at once where they would not fit. Beside it one prompt that
    // is taken in chunks has memory of its own.
    int64_t max_cache_tokens = 0;
    // Says what tokens mean; not owned, must outlive the engine. Null: results
    // have no text and stop strings are refused.
    const Tokenizer* tokenizer = nullptr;
    // Asked once a step, for deadlines. Not owned; null: the real one.
    const Clock* clock = nullptr;
  };

  // What happens to keys and values that an older version computed.
  enum class OldCache {
    // Stay as they are: what follows attends to the old version's.
    kKeep,
    // Are computed again by the new version before the next token, for prompt
    // and response so far.
    kRecompute,
  };

  // `model` is a language model. Errors: ResourceExhausted if there is no
  // memory for the cache of keys and values.
  static absl::StatusOr<std::unique_ptr<GenerationEngine>> Create(
      std::shared_ptr<const Transformer> model, Options options);

  // The same, but throws as LibTorch does. Allocates the cache of keys and
  // values.
  GenerationEngine(std::shared_ptr<const Transformer> model, Options options);

  // Errors: InvalidArgument for an empty prompt, an id outside the vocabulary,
  // no new token, more than max_tokens or max_cache_tokens in all, sampling or
  // stop parameters out of range, stop strings without a tokenizer.
  absl::Status Validate(const EngineRequest& request) const;

  // Queues a request; the caller bounds how many. Requests start in the order
  // in which they were added: one that lacks room holds up those behind it, and
  // gets room when the sequences before it are done. Errors: those of Validate.
  absl::Status Add(EngineRequest request);

  // Forgets a request, wherever it stands; false if there is none of this id.
  bool Cancel(uint64_t id);

  // Ends what is out of time, admits what has room, and extends every sequence
  // by one token. Returns the requests that finished.
  //
  // Errors: of LibTorch, as TorchCall gives them; the engine is empty then.
  absl::StatusOr<std::vector<EngineResult>> Step();

  // What a request that is being sampled has so far, until the next call of a
  // method that is not const; null if it waits or is not here.
  const EngineResult* Find(uint64_t id) const;

  bool idle() const { return waiting_.empty() && running_.empty(); }
  int num_running() const { return static_cast<int>(running_.size()); }
  int num_waiting() const { return static_cast<int>(waiting_.size()); }

  // Takes a new version of the model, of the same shape: every token from here
  // on is drawn by it and says so (EngineResult::versions; 0 before the first
  // call). Sequences that are running go on.
  void SetModel(std::shared_ptr<const Transformer> model, int64_t version = 0,
                OldCache old_cache = OldCache::kKeep);

 private:
  struct Sequence {
    EngineRequest request;
    EngineResult result;
  };

  // Moves what is out of time from both lists to `finished`.
  void RemoveExpired(std::vector<EngineResult>& finished);
  // The next token of every sequence that was running before this step.
  void Decode();
  // Computes the keys and values of all rows anew.
  void Recompute();

  // Prefills waiting requests into free rows; returns their logits, [rows, V],
  // in row order, undefined if none was admitted.
  at::Tensor Admit();
  // Those at the front whose prompt is taken in chunks, and the others; add up
  // the prompt tokens of this step.
  at::Tensor AdmitStaged(int64_t& num_tokens);
  at::Tensor AdmitPacked(int64_t num_tokens);
  bool IsLong(const EngineRequest& request) const;
  // Whether the cache has a row for it; may cut the cache anew.
  bool MakeRoom(const EngineRequest& request);
  // Gives the request at the front a row, and returns it.
  int64_t StartFront();

  // Draws each sequence's next token from `logit_BV`, whose rows are the
  // running sequences from `first_row` on.
  void Extend(const at::Tensor& logit_BV, int64_t first_row);
  // Sets the finish reason of a sequence that ends with its last token, and
  // cuts its text. `checked` bytes of it held no stop string before.
  void Judge(Sequence& sequence, size_t checked) const;
  void RemoveFinished(std::vector<EngineResult>& finished);
  void RemoveRow(int64_t row);

  std::shared_ptr<const Transformer> model_;
  int64_t version_ = 0;
  bool recompute_ = false;
  const Options options_;
  KvCache cache_;
  StagedPrompt staged_;
  std::deque<EngineRequest> waiting_;
  std::vector<Sequence> running_;  // by cache row
};

}  // namespace rlhf
