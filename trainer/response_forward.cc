#include "trainer/response_forward.h"

#include <ATen/ops/tensor.h>

#include "core/base/check.h"
#include "core/nn/packed_batch.h"

namespace rlhf {

ResponseStates ForwardResponses(const Transformer& model,
                                absl::Span<const PromptResponse> dialogues) {
  std::vector<std::vector<int32_t>> sequences;
  for (const PromptResponse& dialogue : dialogues) {
    RLHF_CHECK(!dialogue.prompt_ids->empty());
    RLHF_CHECK(!dialogue.response_ids->empty());
    std::vector<int32_t>& sequence = sequences.emplace_back();
    sequence = *dialogue.prompt_ids;
    // The last response token predicts nothing that we need.
    sequence.insert(sequence.end(), dialogue.response_ids->begin(),
                    dialogue.response_ids->end() - 1);
  }
  const PackedBatch batch = Pack(sequences, model.device());
  std::vector<int64_t> rows;
  std::vector<int64_t> targets;
  for (size_t s = 0; s < dialogues.size(); ++s) {
    auto position = static_cast<int64_t>(dialogues[s].prompt_ids->size()) - 1;
    for (const int32_t token : *dialogues[s].response_ids) {
      rows.push_back(batch.RowOf(s, position++));
      targets.push_back(token);
    }
  }
  const auto options = at::TensorOptions(at::kLong);
  return {.hidden_ND = model.Forward(batch).index_select(
              0, at::tensor(rows, options).to(model.device())),
          .target_N = at::tensor(targets, options).to(model.device())};
}

std::vector<size_t> MicroBatchSizes(absl::Span<const PromptResponse> dialogues,
                                    int64_t max_tokens) {
  std::vector<size_t> sizes;
  int64_t tokens = 0;
  for (const PromptResponse& dialogue : dialogues) {
    const auto length = static_cast<int64_t>(dialogue.prompt_ids->size() +
                                             dialogue.response_ids->size());
    if (sizes.empty() || tokens + length > max_tokens) {
      sizes.push_back(0);
      tokens = 0;
    }
    ++sizes.back();
    tokens += length;
  }
  return sizes;
}

}  // namespace rlhf
