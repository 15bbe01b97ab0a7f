#include "trainer/response_forward.h"

#include <ATen/ops/tensor.h>

#include "core/base/check.h"
#include "core/nn/packed_batch.h"

namespace rlhf {

ResponseStates ForwardResponses(const Transformer& model,
                                absl::Span<const PromptResponse> dialogues) {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<int64_t> positions;
  std::vector<int64_t> targets;
  int64_t begin = 0;
  for (const PromptResponse& dialogue : dialogues) {
    RLHF_CHECK(!dialogue.prompt_ids->empty());
    RLHF_CHECK(!dialogue.response_ids->empty());
    std::vector<int32_t>& sequence = sequences.emplace_back();
    sequence = *dialogue.prompt_ids;
    // The last response token predicts nothing that we need.
    sequence.insert(sequence.end(), dialogue.response_ids->begin(),
                    dialogue.response_ids->end() - 1);
    const auto first =
        begin + static_cast<int64_t>(dialogue.prompt_ids->size()) - 1;
    for (size_t i = 0; i < dialogue.response_ids->size(); ++i) {
      positions.push_back(first + static_cast<int64_t>(i));
      targets.push_back((*dialogue.response_ids)[i]);
    }
    begin += static_cast<int64_t>(sequence.size());
  }
  const auto options = at::TensorOptions(at::kLong);
  const at::Tensor hidden_TD = model.Forward(Pack(sequences, model.device()));
  return {.hidden_ND = hidden_TD.index_select(
              0, at::tensor(positions, options).to(model.device())),
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
