// One prompt that is too long for one prefill: taken in chunks between the
// steps of the sequences that are decoding, in a cache of its own, and copied
// to the row of every sequence that starts with it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/nn/kv_cache.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Not thread-safe. Throws as LibTorch does.
class StagedPrompt {
 public:
  // Whether this prompt is here, if only in part.
  bool Holds(const std::vector<int32_t>& prompt_ids) const {
    return cache_.has_value() && prompt_ids_ == prompt_ids;
  }
  // Whether all of it has been taken.
  bool complete() const { return logit_1V_.defined(); }

  // Makes room for a prompt; what was here is gone. `like` is the cache of the
  // sequences.
  void Begin(const Transformer& model, std::vector<int32_t> prompt_ids,
             KvCache& like);

  // Takes at most `max_tokens` (> 0) further tokens; returns how many. Dies if
  // it is complete.
  int64_t Advance(const Transformer& model, int64_t max_tokens);

  // Once it is complete: the logits of the first token of a response, [1, V].
  const at::Tensor& logits() const { return logit_1V_; }
  // Once it is complete: fills the empty row `row` of `cache`.
  void CopyTo(KvCache& cache, int64_t row) { cache.CopyFrom(*cache_, 0, row); }

  // Forgets what is here: it was made by weights that are not used any more.
  void Clear();

 private:
  std::vector<int32_t> prompt_ids_;
  std::optional<KvCache> cache_;  // of one row
  at::Tensor logit_1V_;
};

}  // namespace rlhf
