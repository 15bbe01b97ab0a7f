#include "trainer/preference/influence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"
#include "core/nn/torch_call.h"
#include "trainer/preference/pair_scores.h"

namespace rlhf {
namespace {

// The pairs from `begin` on: differences of hidden states, chosen minus
// rejected, [P, D] in float64, and of scores.
using TakePairs =
    std::function<void(size_t begin, const at::Tensor& difference_PD,
                       const std::vector<double>& margins)>;

absl::Status ForEachBatch(const Transformer& model,
                          const std::vector<PmExample>& examples,
                          int64_t micro_batch_tokens, const TakePairs& take) {
  const std::vector<std::vector<int32_t>> sides = BothSides(examples);
  RLHF_RETURN_IF_ERROR(
      CheckTokens(sides, model.config().vocab_size, "dialogue"));
  return TorchCall("influence", [&] {
    const c10::NoGradGuard no_grad;
    for (size_t begin = 0; begin < examples.size();) {
      size_t end = begin;
      int64_t tokens = 0;
      while (end < examples.size() &&
             (end == begin || tokens < micro_batch_tokens)) {
        tokens += static_cast<int64_t>(sides[2 * end].size() +
                                       sides[2 * end + 1].size());
        ++end;
      }
      const at::Tensor state_SD = LastTokenStates(
          model,
          absl::MakeConstSpan(sides).subspan(2 * begin, 2 * (end - begin)));
      const at::Tensor score_S = model.Scores(state_SD).to(at::kCPU);
      const at::Tensor pair_PD2 =
          state_SD.to(at::kCPU, at::kDouble)
              .view({static_cast<int64_t>(end - begin), 2, -1});
      std::vector<double> margins;
      for (size_t i = 0; i < end - begin; ++i) {
        const auto row = static_cast<int64_t>(2 * i);
        margins.push_back(score_S[row].item<double>() -
                          score_S[row + 1].item<double>());
      }
      take(begin, pair_PD2.select(1, 0) - pair_PD2.select(1, 1), margins);
      begin = end;
    }
  });
}

// How much the loss of a pair pulls at its margin: minus the derivative.
double PullOf(const PmExample& example, double margin) {
  const double x = example.temperature * margin + example.offset;
  return example.loss_weight * example.temperature / (1 + std::exp(x));
}

}  // namespace

absl::StatusOr<std::vector<PairInfluence>> InfluenceOnHeldOut(
    const Transformer& model, const std::vector<PmExample>& training,
    const std::vector<PmExample>& held_out, int64_t micro_batch_tokens) {
  if (held_out.empty()) {
    return absl::InvalidArgumentError(
        "no comparison is held out; influence is on those");
  }
  // Minus the gradient of the mean held-out loss by the head.
  at::Tensor wanted_D;
  RLHF_RETURN_IF_ERROR(ForEachBatch(
      model, held_out, micro_batch_tokens,
      [&](size_t, const at::Tensor& difference_PD,
          const std::vector<double>& margins) {
        if (!wanted_D.defined()) {
          wanted_D = at::zeros({difference_PD.size(1)}, at::kDouble);
        }
        for (size_t i = 0; i < margins.size(); ++i) {
          const double pull = 1 / (1 + std::exp(margins[i]));
          wanted_D += difference_PD[static_cast<int64_t>(i)] *
                      (pull / static_cast<double>(held_out.size()));
        }
      }));
  std::vector<PairInfluence> result(training.size());
  RLHF_RETURN_IF_ERROR(ForEachBatch(
      model, training, micro_batch_tokens,
      [&](size_t begin, const at::Tensor& difference_PD,
          const std::vector<double>& margins) {
        const at::Tensor along_P = at::mv(difference_PD, wanted_D);
        for (size_t i = 0; i < margins.size(); ++i) {
          result[begin + i] = {
              .score = PullOf(training[begin + i], margins[i]) *
                       along_P[static_cast<int64_t>(i)].item<double>(),
              .margin = margins[i]};
        }
      }));
  for (size_t i = 0; i < result.size(); ++i) {
    if (!std::isfinite(result[i].score)) {
      return absl::InternalError(
          absl::StrCat("the influence of pair ", i, " is not finite"));
    }
  }
  return result;
}

}  // namespace rlhf
