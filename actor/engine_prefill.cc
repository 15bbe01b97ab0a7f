// How the generation engine takes prompts in.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <set>
#include <utility>

#include "actor/cache_shape.h"
#include "actor/generation_engine.h"
#include "core/nn/packed_batch.h"

namespace rlhf {

bool GenerationEngine::IsLong(const EngineRequest& request) const {
  return static_cast<int64_t>(request.prompt_ids.size()) >
         options_.max_prefill_tokens;
}

bool GenerationEngine::MakeRoom(const EngineRequest& request) {
  if (cache_.num_rows() >= options_.max_batch) return false;
  if (options_.max_cache_tokens == 0) return true;
  int64_t longest = TokensNeeded(request);
  for (const Sequence& sequence : running_) {
    longest = std::max(longest, TokensNeeded(sequence.request));
  }
  const int64_t rows = cache_.num_rows() + 1;
  if (rows <= cache_.max_rows() && longest <= cache_.max_tokens()) return true;
  const CacheShape shape =
      CutCache(options_.max_cache_tokens, longest, options_.max_batch);
  if (shape.rows < rows) return false;
  cache_.Reshape(shape.rows, shape.tokens);
  return true;
}

int64_t GenerationEngine::StartFront() {
  EngineResult result{.id = waiting_.front().id};
  running_.push_back({std::move(waiting_.front()), std::move(result)});
  waiting_.pop_front();
  return cache_.AddRow();
}

at::Tensor GenerationEngine::Admit() {
  int64_t num_tokens = 0;
  const at::Tensor staged = AdmitStaged(num_tokens);
  const at::Tensor packed = AdmitPacked(num_tokens);
  if (!staged.defined()) return packed;
  if (!packed.defined()) return staged;
  return at::cat(std::vector<at::Tensor>{staged, packed});
}

at::Tensor GenerationEngine::AdmitStaged(int64_t& num_tokens) {
  int64_t count = 0;
  while (!waiting_.empty() && IsLong(waiting_.front()) &&
         MakeRoom(waiting_.front())) {
    if (!staged_.Holds(waiting_.front().prompt_ids)) {
      // One a step; and the logits of those admitted are still needed.
      if (num_tokens > 0 || count > 0) break;
      staged_.Begin(*model_, waiting_.front().prompt_ids, cache_);
    }
    if (!staged_.complete()) {
      num_tokens += staged_.Advance(*model_, options_.max_prefill_tokens);
    }
    if (!staged_.complete()) break;
    staged_.CopyTo(cache_, StartFront());
    ++count;
  }
  if (count == 0) return {};
  return staged_.logits().expand({count, -1});
}

at::Tensor GenerationEngine::AdmitPacked(int64_t num_tokens) {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int64_t> rows;
  // Samples of one prompt share its prefill, so it counts once.
  std::set<std::vector<int32_t>> distinct;
  while (!waiting_.empty() && !IsLong(waiting_.front()) &&
         MakeRoom(waiting_.front())) {
    const EngineRequest& request = waiting_.front();
    if (!distinct.contains(request.prompt_ids)) {
      const auto size = static_cast<int64_t>(request.prompt_ids.size());
      if (num_tokens > 0 && num_tokens + size > options_.max_prefill_tokens) {
        break;
      }
      distinct.insert(request.prompt_ids);
      num_tokens += size;
    }
    prompts.push_back(request.prompt_ids);
    rows.push_back(StartFront());
  }
  if (prompts.empty()) return {};
  return model_->Logits(
      model_->Prefill(Pack(prompts, model_->device()), rows, cache_));
}

void GenerationEngine::Recompute() {
  while (cache_.num_rows() > 0) cache_.RemoveRow(cache_.num_rows() - 1);
  std::vector<std::vector<int32_t>> sequences;
  std::vector<int64_t> rows;
  int64_t num_tokens = 0;
  const auto prefill = [&] {
    if (rows.empty()) return;
    model_->Prefill(Pack(sequences, model_->device()), rows, cache_);
    sequences.clear();
    rows.clear();
    num_tokens = 0;
  };
  for (const Sequence& sequence : running_) {
    const int64_t row = cache_.AddRow();
    // All but the last token, which the next step feeds.
    std::vector<int32_t> ids = sequence.request.prompt_ids;
    ids.insert(ids.end(), sequence.result.token_ids.begin(),
               sequence.result.token_ids.end() - 1);
    const auto size = static_cast<int64_t>(ids.size());
    const int64_t chunk = options_.max_prefill_tokens;
    for (int64_t begin = 0; size > chunk && begin < size; begin += chunk) {
      const std::vector<int64_t> part(
          ids.begin() + begin, ids.begin() + std::min(size, begin + chunk));
      model_->Append(
          at::tensor(part, at::TensorOptions(at::kLong)).to(model_->device()),
          row, cache_);
    }
    if (size > chunk) continue;
    if (num_tokens + size > chunk) prefill();
    sequences.push_back(std::move(ids));
    rows.push_back(row);
    num_tokens += size;
  }
  prefill();
}

}  // namespace rlhf
