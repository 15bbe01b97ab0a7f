#include "trainer/preference/pm_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"
#include "core/nn/torch_call.h"
#include "trainer/optim/adamw.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/preference/pairwise_loss.h"

namespace rlhf {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

// Chosen and rejected of each example side by side: rows 2i and 2i + 1.
Sequences Interleave(const std::vector<PmExample>& examples,
                     absl::Span<const size_t> indices) {
  Sequences sequences;
  for (const size_t i : indices) {
    sequences.push_back(examples[i].chosen);
    sequences.push_back(examples[i].rejected);
  }
  return sequences;
}

// Cuts a batch so that each piece stays below `max_tokens`, pairs whole.
std::vector<absl::Span<const size_t>> MicroBatches(
    const std::vector<PmExample>& examples, absl::Span<const size_t> batch,
    int64_t max_tokens) {
  std::vector<absl::Span<const size_t>> pieces;
  size_t begin = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    const PmExample& example = examples[batch[i]];
    const auto size =
        static_cast<int64_t>(example.chosen.size() + example.rejected.size());
    if (i > begin && tokens + size > max_tokens) {
      pieces.push_back(batch.subspan(begin, i - begin));
      begin = i;
      tokens = 0;
    }
    tokens += size;
  }
  pieces.push_back(batch.subspan(begin));
  return pieces;
}

// None where all judge alike, which is so without a worker model.
WorkerTerms TermsOf(const std::vector<PmExample>& examples,
                    absl::Span<const size_t> indices, at::Device device) {
  std::vector<float> temperatures, offsets;
  bool differ = false;
  for (const size_t i : indices) {
    const PmExample& example = examples[i];
    temperatures.push_back(static_cast<float>(example.temperature));
    offsets.push_back(static_cast<float>(example.offset));
    differ = differ || example.temperature != 1 || example.offset != 0;
  }
  if (!differ) return {};
  return {.temperature_P = at::tensor(temperatures).to(device),
          .offset_P = at::tensor(offsets).to(device)};
}

at::Tensor LossSum(const Transformer& model,
                   const std::vector<PmExample>& examples,
                   absl::Span<const size_t> indices) {
  const at::Tensor score_S =
      LastTokenScores(model, Interleave(examples, indices));
  const at::Tensor pair = score_S.view({-1, 2});
  std::vector<float> weights;
  for (const size_t i : indices) {
    weights.push_back(static_cast<float>(examples[i].loss_weight));
  }
  return ComputePairwiseLoss(pair.select(1, 0), pair.select(1, 1),
                             at::tensor(weights).to(score_S.device()),
                             TermsOf(examples, indices, score_S.device()))
      .loss_sum;
}

// One optimizer step on one batch; returns the mean loss.
absl::StatusOr<double> TrainStep(const Transformer& model, AdamW& optimizer,
                                 const std::vector<PmExample>& examples,
                                 absl::Span<const size_t> batch,
                                 const PmTrainerOptions& options) {
  return TorchCall("train preference model", [&]() -> absl::StatusOr<double> {
    optimizer.ClearGradients();
    double loss_sum = 0;
    double count = 0;
    for (const size_t i : batch) count += examples[i].loss_weight;
    if (count == 0) return 0.0;
    for (const auto piece :
         MicroBatches(examples, batch, options.micro_batch_tokens)) {
      const at::Tensor loss = LossSum(model, examples, piece);
      (loss / count).backward();
      loss_sum += loss.item<double>();
    }
    const std::vector<at::Tensor> gradients = optimizer.Gradients();
    const double squared_norm = SquaredNorm(gradients);
    if (!std::isfinite(loss_sum) || !std::isfinite(squared_norm)) {
      return absl::InternalError(
          "the preference model's loss or gradient is "
          "not finite; lower its learning rate");
    }
    Scale(gradients, ClipFactor(squared_norm, options.max_gradient_norm));
    optimizer.Step();
    return loss_sum / count;
  });
}

AdamW MakeOptimizer(const Transformer& model, const PmTrainerOptions& options) {
  ParameterGroup trunk{.learning_rate = options.learning_rate};
  ParameterGroup head{.learning_rate = options.head_learning_rate};
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
    (p.name == "score.weight" ? head : trunk).parameters.push_back(p);
  }
  return AdamW(
      {trunk, head},
      {.beta2 = 0.95, .epsilon = 1e-5, .weight_decay = options.weight_decay});
}

}  // namespace

std::vector<size_t> TrainingOrder(size_t count, const PmTrainerOptions& options,
                                  int epoch) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!options.shuffle) return order;
  const uint64_t key = MixHash(options.seed, static_cast<uint64_t>(epoch));
  std::sort(order.begin(), order.end(), [key](size_t a, size_t b) {
    return std::pair(MixHash(key, a), a) < std::pair(MixHash(key, b), b);
  });
  return order;
}

absl::StatusOr<PmTrainingStats> TrainPreferenceModel(
    Transformer& model, const std::vector<PmExample>& examples,
    const PmTrainerOptions& options, const PmProgress& progress) {
  if (examples.empty()) {
    return absl::InvalidArgumentError("no comparison to train on");
  }
  AdamW optimizer = MakeOptimizer(model, options);
  const auto batch_size = static_cast<size_t>(options.batch_size);
  const size_t steps_per_epoch =
      (examples.size() + batch_size - 1) / batch_size;
  const auto num_steps = static_cast<double>(
      steps_per_epoch * static_cast<size_t>(options.num_epochs));
  PmTrainingStats stats;
  for (int epoch = 0; epoch < options.num_epochs; ++epoch) {
    const std::vector<size_t> order =
        TrainingOrder(examples.size(), options, epoch);
    for (size_t begin = 0; begin < order.size(); begin += batch_size) {
      const double left =
          1.0 - static_cast<double>(stats.num_steps) / num_steps;
      optimizer.SetLearningRate(0, options.learning_rate * left);
      optimizer.SetLearningRate(1, options.head_learning_rate * left);
      const auto batch = absl::MakeConstSpan(order).subspan(begin, batch_size);
      const Stopwatch stopwatch;
      RLHF_ASSIGN_OR_RETURN(
          stats.last_loss,
          TrainStep(model, optimizer, examples, batch, options));
      if (stats.num_steps++ == 0) stats.first_loss = stats.last_loss;
      stats.step_seconds.push_back(stopwatch.seconds());
      if (!progress(static_cast<double>(stats.num_steps) / num_steps)) {
        return absl::CancelledError("training was stopped");
      }
    }
  }
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(false);
    p.tensor.mutable_grad().reset();
  }
  return stats;
}

}  // namespace rlhf
