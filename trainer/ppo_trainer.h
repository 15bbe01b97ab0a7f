// One update of the policy on one batch of rollouts, readable top to bottom:
// evaluation, rewards, credit, passes. Every rank calls it with the same batch
// and works on its own share of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/comm/communicator.h"
#include "core/nn/transformer.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/batch_evaluation.h"
#include "trainer/credit_assignment.h"
#include "trainer/critic.h"
#include "trainer/divergence.h"
#include "trainer/optim/adamw.h"
#include "trainer/pretraining_mix.h"
#include "trainer/trained_model.h"
#include "trainer/update_summary.h"

namespace rlhf {

// A rollout as the mathematics sees it.
struct PpoSample {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> response_ids;
  // As the actor reported them, nats; only compared with ours.
  std::vector<float> behaviour_logprobs;
  // The PM's score, anchored: (score - mean) / scale of the batch's PM.
  double score = 0;
  // The response ended with an end-of-sequence token.
  bool ended = false;
};

// The policy, the critic, the reference and the optimizer. Not thread-safe.
class PpoTrainer {
 public:
  // All float32. The first and the last stay so: with another dtype the passes
  // run on copies of them.
  struct Models {
    Transformer policy;
    // Shared with nobody that changes it.
    std::shared_ptr<const Transformer> reference;
    // A score model; none: a value head on the policy, starting at zero.
    std::optional<Transformer> critic;
  };

  struct Options {
    v1::PpoConfig ppo;
    double temperature = 1;
    // Tokens in one forward pass; bounds memory, not results.
    int64_t micro_batch_tokens = 2048;
    // What the passes compute in.
    at::ScalarType dtype = at::kFloat;
    // Decides the order of samples within an update.
    uint64_t seed = 1;
    // The text of ppo.pretraining_mix; none if null.
    std::shared_ptr<const PretrainingMix> pretraining = nullptr;
    // What counts as a diverged update.
    v1::LearnerConfig learner;
    // Asked between micro-batches: whether to give the update up.
    std::function<bool()> give_up = [] { return false; };
  };

  // `communicator` is not owned and must outlive the trainer.
  PpoTrainer(Models models, const Options& options, Communicator* communicator);

  // Update number `update` (from 1). `batch` is the whole batch, the same on
  // every rank; sample i is worked on by rank i modulo world size. Fills the
  // report's fields that are about learning. If the update diverged
  // (JudgeUpdate), the report is of that alone: `divergence()` tells why, and
  // neither the weights nor the KL coefficient have changed.
  //
  // Errors: of the communicator, of LibTorch; Cancelled if it was given up.
  absl::StatusOr<v1::UpdateReport> Update(const std::vector<PpoSample>& batch,
                                          int64_t update);

  // How the newest update went.
  const Divergence& divergence() const { return divergence_; }

  // Optimizer steps of the newest update so far; while it is 0, all is as it
  // was before that update.
  int64_t steps_of_update() const { return steps_of_update_; }

  const Transformer& policy() const { return policy_.weights(); }

  // beta: fixed, or what the controller made of it; part of a checkpoint.
  double kl_coefficient() const { return kl_coefficient_; }
  void set_kl_coefficient(double value) { kl_coefficient_ = value; }

  // Every weight that is trained: the policy's and the critic's.
  NamedTensors ExportParameters() const;
  NamedTensors ExportOptimizer() const { return optimizer_->ExportState(); }
  // Errors: InvalidArgument, naming the tensor that does not fit.
  absl::Status Import(const NamedTensors& parameters,
                      const NamedTensors& optimizer);

 private:
  struct Prepared;
  struct Piece;

  double RateAt(double full_rate, int64_t update, size_t batch_size) const;
  absl::StatusOr<Prepared> Prepare(const std::vector<PpoSample>& batch);
  absl::Status Pass(const std::vector<PpoSample>& batch,
                    const Prepared& prepared, uint64_t pass_key,
                    UpdateTotals& totals);
  absl::Status MinibatchStep(const std::vector<PpoSample>& batch,
                             const Prepared& prepared,
                             const std::vector<int64_t>& minibatch,
                             uint64_t key, UpdateTotals& totals);
  // Forward and backward over the samples `indices` at once. Gradients are of
  // the loss summed over their tokens, divided by `num_tokens`.
  void AccumulateGradients(const std::vector<PpoSample>& batch,
                           const Prepared& prepared,
                           absl::Span<const int64_t> indices, double num_tokens,
                           UpdateTotals& totals);
  // Losses over the response tokens that `states` holds, summed.
  at::Tensor PolicyLoss(const Piece& piece, const ResponseStates& states,
                        UpdateTotals& totals) const;
  at::Tensor ValueLossOf(const Piece& piece, const ResponseStates& states,
                         UpdateTotals& totals) const;
  // Forward and backward over the text drawn for the minibatch `key`.
  void AccumulatePretrainingGradients(uint64_t key, UpdateTotals& totals);
  // False, and nothing done, if a gradient is not finite: on all ranks alike.
  bool StepOptimizer(UpdateTotals& totals);
  absl::Status ReduceGradients();
  // Whether the update is to be left out, after as many steps as there were.
  bool Diverged(double kl, const UpdateTotals& totals);
  // Tells the other ranks, and errors, where this one is.
  void Describe(absl::string_view what) const;
  // Whether this rank works on sample `index`.
  bool IsOwn(int64_t index) const;
  // Indices of the samples that this rank works on, among `indices`.
  std::vector<int64_t> Own(const std::vector<int64_t>& indices) const;

  const Options options_;
  Communicator* const communicator_;
  TrainedModel policy_;
  Critic critic_;
  const std::shared_ptr<const Transformer> reference_;
  double kl_coefficient_;
  std::unique_ptr<AdamW> optimizer_;
  int64_t update_ = 0;
  int64_t steps_of_update_ = 0;
  Divergence divergence_;
};

}  // namespace rlhf
