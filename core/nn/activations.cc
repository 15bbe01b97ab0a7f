#include "core/nn/activations.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/packed_batch.h"
#include "core/nn/sequence_scores.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

// Of one group, [S, D], as float32 on the CPU.
at::Tensor LastTokensOf(const Transformer& model,
                        absl::Span<const std::vector<int32_t>> sequences,
                        int64_t num_layers) {
  const PackedBatch batch = Pack(sequences, model.device());
  const at::Tensor last_S =
      at::tensor(batch.LastRows(), at::TensorOptions(at::kLong));
  return model.HiddenAfter(batch, num_layers)
      .index_select(0, last_S.to(model.device()))
      .to(at::kCPU, at::kFloat);
}

}  // namespace

absl::StatusOr<int64_t> ResolveLayer(int64_t layer, int64_t num_layers) {
  const int64_t resolved = layer < 0 ? layer + num_layers + 1 : layer;
  if (resolved >= 0 && resolved <= num_layers) return resolved;
  return absl::InvalidArgumentError(
      absl::StrCat("layer ", layer, " of a model of ", num_layers,
                   " layers; wanted ", -num_layers - 1, " to ", num_layers));
}

absl::StatusOr<at::Tensor> LastTokenActivations(
    const Transformer& model, absl::Span<const std::vector<int32_t>> sequences,
    int64_t layer, int64_t max_tokens) {
  RLHF_ASSIGN_OR_RETURN(const int64_t num_layers,
                        ResolveLayer(layer, model.config().num_layers));
  RLHF_RETURN_IF_ERROR(
      CheckTokens(sequences, model.config().vocab_size, "sequence"));
  at::Tensor hidden_SD;
  RLHF_RETURN_IF_ERROR(TorchCall("activations", [&] {
    const c10::NoGradGuard no_grad;
    std::vector<at::Tensor> groups = {at::zeros({0, model.config().hidden_size},
                                                at::TensorOptions(at::kFloat))};
    size_t begin = 0;
    for (const size_t size : GroupByTokens(sequences, max_tokens)) {
      groups.push_back(
          LastTokensOf(model, sequences.subspan(begin, size), num_layers));
      begin += size;
    }
    hidden_SD = at::cat(groups);
  }));
  return hidden_SD;
}

}  // namespace rlhf
