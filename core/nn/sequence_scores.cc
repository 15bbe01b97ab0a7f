#include "core/nn/sequence_scores.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/torch_call.h"

namespace rlhf {

absl::Status CheckTokens(absl::Span<const std::vector<int32_t>> sequences,
                         int64_t vocab_size, absl::string_view what) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " ", i, " has no tokens"));
    }
    for (const int32_t id : sequences[i]) {
      if (id < 0 || id >= vocab_size) {
        return absl::InvalidArgumentError(
            absl::StrCat(what, " ", i, ": token id ", id,
                         " is outside the vocabulary of ", vocab_size));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<size_t> GroupByTokens(
    absl::Span<const std::vector<int32_t>> sequences, int64_t max_tokens) {
  std::vector<size_t> sizes;
  int64_t tokens = 0;
  for (const std::vector<int32_t>& sequence : sequences) {
    const auto length = static_cast<int64_t>(sequence.size());
    if (sizes.empty() || tokens + length > max_tokens) {
      sizes.push_back(0);
      tokens = 0;
    }
    ++sizes.back();
    tokens += length;
  }
  return sizes;
}

at::Tensor LastTokenStates(const Transformer& model,
                           absl::Span<const std::vector<int32_t>> sequences) {
  const PackedBatch batch = Pack(sequences, model.device());
  const at::Tensor last_S =
      at::tensor(batch.LastRows(), at::TensorOptions(at::kLong));
  return model.Forward(batch).index_select(0, last_S.to(model.device()));
}

at::Tensor LastTokenScores(const Transformer& model,
                           absl::Span<const std::vector<int32_t>> sequences) {
  return model.Scores(LastTokenStates(model, sequences));
}

absl::StatusOr<std::vector<float>> ScoreSequences(
    const Transformer& model, absl::Span<const std::vector<int32_t>> sequences,
    int64_t max_tokens, const std::function<absl::Status()>& go_on) {
  RLHF_RETURN_IF_ERROR(
      CheckTokens(sequences, model.config().vocab_size, "dialogue"));
  std::vector<float> scores;
  for (const size_t size : GroupByTokens(sequences, max_tokens)) {
    RLHF_RETURN_IF_ERROR(go_on());
    const auto group = sequences.subspan(scores.size(), size);
    RLHF_RETURN_IF_ERROR(TorchCall("score", [&] {
      const c10::NoGradGuard no_grad;
      const at::Tensor score_S =
          LastTokenScores(model, group).to(at::kCPU, at::kFloat).contiguous();
      const float* data = score_S.const_data_ptr<float>();
      scores.insert(scores.end(), data, data + size);
    }));
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return absl::InternalError(
          absl::StrCat("the score of dialogue ", i, " is not finite"));
    }
  }
  return scores;
}

}  // namespace rlhf
