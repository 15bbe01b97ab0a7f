// Trains a preference model on comparisons (Bai et al. 2022, §3 and A.2): one
// scalar at the end-of-context token, Bradley–Terry loss, few passes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Two whole dialogues as tokens, each ending with the end-of-context token.
struct PmExample {
  std::vector<int32_t> chosen;
  std::vector<int32_t> rejected;
  // What the pair is counted under when it measures: {"turn", "2"}, ….
  std::map<std::string, std::string> slices = {};
  // Factor of its loss.
  double loss_weight = 1;
  // Where it comes from, for whoever selects: the prompt, the comparison's
  // source and its place in the log (0: in none).
  std::string prompt_id = {};
  std::string source = {};
  int64_t seq = 0;
  // Who chose (empty: not known), and where the chosen response stood: 1 on the
  // left, -1 on the right, 0 if nobody knows.
  std::string worker = {};
  int chosen_side = 0;
  // Its chosen response is one that the worker wrote: no choice between two
  // that were shown, so it says nothing of how the worker chooses.
  bool is_edit = false;
  // Which part of the data it is of, for score histograms: "base", ….
  std::string tranche = {};
  // What its margin is multiplied with in the loss, and what is added then: the
  // worker's temperature, and bias on the chosen side (worker_model.h).
  double temperature = 1;
  double offset = 0;
};

struct PmTrainerOptions {
  int num_epochs = 1;
  // Comparisons per optimizer step, of all ranks together.
  int batch_size = 16;
  double learning_rate = 1e-5;
  double head_learning_rate = 1e-3;
  double weight_decay = 0;
  double max_gradient_norm = 1;
  // Decides the order of the comparisons; `shuffle` false keeps theirs.
  uint64_t seed = 1;
  bool shuffle = true;
  // Tokens in one forward pass; bounds memory, not results.
  int64_t micro_batch_tokens = 2048;
};

struct PmTrainingStats {
  // Mean loss of the first and the last optimizer step, nats, over all ranks.
  double first_loss = 0;
  double last_loss = 0;
  int64_t num_steps = 0;
  // Of each step, in seconds.
  std::vector<double> step_seconds = {};
};

// The order in which pass `epoch` (from 0) takes `count` comparisons.
std::vector<size_t> TrainingOrder(size_t count, const PmTrainerOptions& options,
                                  int epoch);

// Called after each optimizer step with the share done, 0 to 1; returning false
// stops the training.
using PmProgress = std::function<bool(double)>;

// Trains `model` in place. The rate falls linearly to zero over the run.
//
// All ranks of `communicator` (not owned; null: this one alone) begin with the
// same model, examples and options and end with the same model. Each computes
// the gradients of some comparisons of every step, about as many tokens as the
// others; one rank's stop is a stop of all.
//
// Errors, but for the last on all ranks alike:
//   InvalidArgument  no example
//   Cancelled        `progress` said stop, on any rank
//   Internal         the loss or a gradient is not finite
//   those of the communicator, which name rank and step
absl::StatusOr<PmTrainingStats> TrainPreferenceModel(
    Transformer& model, const std::vector<PmExample>& examples,
    const PmTrainerOptions& options, const PmProgress& progress,
    Communicator* communicator = nullptr);

}  // namespace rlhf
