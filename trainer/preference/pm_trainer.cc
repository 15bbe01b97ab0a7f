#include "trainer/preference/pm_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/nn/sequence_scores.h"
#include "core/nn/torch_call.h"
#include "trainer/optim/adamw.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/parallel/share_out.h"
#include "trainer/parallel/trained_model.h"
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

int64_t NumTokens(const PmExample& example) {
  return static_cast<int64_t>(example.chosen.size() + example.rejected.size());
}

// The comparisons of `batch` that this rank works on.
std::vector<size_t> OwnShare(const std::vector<PmExample>& examples,
                             absl::Span<const size_t> batch,
                             const Communicator& communicator) {
  std::vector<int64_t> places(batch.size()), tokens;
  std::iota(places.begin(), places.end(), int64_t{0});
  for (const size_t i : batch) tokens.push_back(NumTokens(examples[i]));
  const std::vector<int> rank_of =
      ShareOut({places}, tokens, communicator.world_size());
  std::vector<size_t> own;
  for (const int64_t place : SamplesOf(communicator.rank(), rank_of, places)) {
    own.push_back(batch[static_cast<size_t>(place)]);
  }
  return own;
}

// Cuts a batch so that each piece stays below `max_tokens`, pairs whole.
std::vector<absl::Span<const size_t>> MicroBatches(
    const std::vector<PmExample>& examples, absl::Span<const size_t> batch,
    int64_t max_tokens) {
  std::vector<absl::Span<const size_t>> pieces;
  size_t begin = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t size = NumTokens(examples[batch[i]]);
    if (i > begin && tokens + size > max_tokens) {
      pieces.push_back(batch.subspan(begin, i - begin));
      begin = i;
      tokens = 0;
    }
    tokens += size;
  }
  if (begin < batch.size()) pieces.push_back(batch.subspan(begin));
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

// What the steps of one rank work with.
struct Training {
  const std::vector<PmExample>& examples;
  const PmTrainerOptions& options;
  TrainedModel& model;
  AdamW& optimizer;
  Communicator& communicator;
};

// Computes the gradients of this rank's part of a batch whose losses have
// `weight` in all; returns the part's sum of losses. Throws like LibTorch.
double PassOwnShare(const Training& training, absl::Span<const size_t> batch,
                    double weight) {
  const std::vector<PmExample>& examples = training.examples;
  const std::vector<size_t> own =
      OwnShare(examples, batch, training.communicator);
  const auto pieces =
      MicroBatches(examples, own, training.options.micro_batch_tokens);
  double loss_sum = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i + 1 == pieces.size()) training.model.ExpectLastPass();
    const at::Tensor loss =
        LossSum(training.model.working(), examples, pieces[i]);
    (loss / weight).backward();
    training.model.CollectGradients();
    loss_sum += loss.item<double>();
  }
  return loss_sum;
}

// One optimizer step on one batch; returns the mean loss. Collective.
absl::StatusOr<double> TrainStep(const Training& training,
                                 absl::Span<const size_t> batch) {
  return TorchCall("train preference model", [&]() -> absl::StatusOr<double> {
    double weight = 0;
    for (const size_t i : batch) weight += training.examples[i].loss_weight;
    if (weight == 0) return 0.0;
    training.model.BeginStep();
    double loss_sum = PassOwnShare(training, batch, weight);
    RLHF_RETURN_IF_ERROR(training.model.ReduceGradients());
    RLHF_RETURN_IF_ERROR(training.communicator.SumNumbers({&loss_sum}));
    const std::vector<at::Tensor> gradients = training.optimizer.Gradients();
    const double squared_norm = SquaredNorm(gradients);
    if (!std::isfinite(loss_sum) || !std::isfinite(squared_norm)) {
      return absl::InternalError(
          "the preference model's loss or gradient is "
          "not finite; lower its learning rate");
    }
    Scale(gradients,
          ClipFactor(squared_norm, training.options.max_gradient_norm));
    training.optimizer.Step();
    training.model.Refresh();
    training.model.EndStep();
    return loss_sum / weight;
  });
}

AdamW MakeOptimizer(const TrainedModel& model,
                    const PmTrainerOptions& options) {
  ParameterGroup trunk{.learning_rate = options.learning_rate};
  ParameterGroup head{.learning_rate = options.head_learning_rate};
  for (const NamedTensor& p : model.parameters()) {
    (p.name == "score.weight" ? head : trunk).parameters.push_back(p);
  }
  return AdamW(
      {trunk, head},
      {.beta2 = 0.95, .epsilon = 1e-5, .weight_decay = options.weight_decay});
}

// All passes over the data.
absl::StatusOr<PmTrainingStats> RunSteps(const Training& training,
                                         const PmProgress& progress) {
  const PmTrainerOptions& options = training.options;
  const size_t num_examples = training.examples.size();
  const auto batch_size = static_cast<size_t>(options.batch_size);
  const size_t steps_per_epoch = (num_examples + batch_size - 1) / batch_size;
  const size_t num_steps =
      steps_per_epoch * static_cast<size_t>(options.num_epochs);
  PmTrainingStats stats;
  const auto share_done = [&] {
    return static_cast<double>(stats.num_steps) /
           static_cast<double>(num_steps);
  };
  for (int epoch = 0; epoch < options.num_epochs; ++epoch) {
    const std::vector<size_t> order =
        TrainingOrder(num_examples, options, epoch);
    for (size_t begin = 0; begin < order.size(); begin += batch_size) {
      training.communicator.Describe(absl::StrCat("step ", stats.num_steps + 1,
                                                  " of ", num_steps,
                                                  " of a preference model"));
      const double left = 1.0 - share_done();
      training.optimizer.SetLearningRate(0, options.learning_rate * left);
      training.optimizer.SetLearningRate(1, options.head_learning_rate * left);
      const Stopwatch stopwatch;
      RLHF_ASSIGN_OR_RETURN(
          stats.last_loss,
          TrainStep(training,
                    absl::MakeConstSpan(order).subspan(begin, batch_size)));
      if (stats.num_steps++ == 0) stats.first_loss = stats.last_loss;
      stats.step_seconds.push_back(stopwatch.seconds());
      double num_stops = progress(share_done()) ? 0 : 1;
      RLHF_RETURN_IF_ERROR(training.communicator.SumNumbers({&num_stops}));
      if (num_stops > 0) return absl::CancelledError("training was stopped");
    }
  }
  return stats;
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
    const PmTrainerOptions& options, const PmProgress& progress,
    Communicator* communicator) {
  if (examples.empty()) {
    return absl::InvalidArgumentError("no comparison to train on");
  }
  SingleCommunicator alone;
  Communicator& ranks = communicator == nullptr ? alone : *communicator;
  // Another handle on the same weights.
  RLHF_ASSIGN_OR_RETURN(
      Transformer weights,
      Transformer::Create(model.config(), model.parameters()));
  const std::unique_ptr<TrainedModel> trained = MakeReplicatedModel(
      std::move(weights), {}, {.name = "preference model"}, &ranks);
  AdamW optimizer = MakeOptimizer(*trained, options);
  absl::StatusOr<PmTrainingStats> stats =
      RunSteps({examples, options, *trained, optimizer, ranks}, progress);
  if (!stats.ok()) return stats;
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(false);
    p.tensor.mutable_grad().reset();
  }
  return stats;
}

}  // namespace rlhf
