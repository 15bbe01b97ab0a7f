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
#include "trainer/divergence.h"
#include "trainer/ppo_sample.h"
#include "trainer/pretraining_mix.h"
#include "trainer/steering.h"
#include "trainer/trained_models.h"
#include "trainer/update_summary.h"

namespace rlhf {

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
    // Where they compute: where the models are, unless sharded, whose shares
    // are made there.
    at::Device device = at::kCPU;
    // Layers keep only their input for the backward pass.
    bool recompute_activations = false;
    // Each rank holds its share of every model and of the optimizer's state.
    bool sharded = false;
    // Adapters are trained instead of the models; not with `sharded`.
    LoraOptions lora;
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
  // every rank; rank_shares.h says who works on which sample. Fills the
  // report's fields that are about learning. If the update diverged
  // (JudgeUpdate), the report is of that alone: `divergence()` tells why, and
  // neither the weights nor the KL coefficient have changed.
  //
  // Errors: of the communicator, of LibTorch; Cancelled if it was given up.
  absl::StatusOr<v1::UpdateReport> Update(const std::vector<PpoSample>& batch,
                                          int64_t update,
                                          const UpdateRules& rules = {});

  // Begins again with fresh models, optimizer state and KL coefficient; the
  // reference stays.
  void Restart(Models models);

  // How the newest update went.
  const Divergence& divergence() const { return divergence_; }

  // KL(policy, reference) before the newest update, k3, of each response that
  // this rank worked on; of the one before if that diverged.
  const std::vector<double>& response_kl_nats() const {
    return response_kl_nats_;
  }

  // Optimizer steps of the newest update so far; while it is 0, all is as it
  // was before that update.
  int64_t steps_of_update() const { return steps_of_update_; }

  // What passes of the policy run on.
  const Transformer& policy() const { return trained_->policy(); }

  // beta: fixed, or what the controller made of it; part of a checkpoint.
  double kl_coefficient() const { return kl_coefficient_; }
  // The newest order to set it that was followed; 0: none was, since the
  // policy began. Part of a checkpoint.
  int64_t kl_order() const { return kl_order_; }
  // Follows an order to set it, unless it was followed before.
  void OrderKlCoefficient(double value, int64_t order);
  // As a checkpoint has them.
  void RestoreKlCoefficient(double value, int64_t order) {
    kl_coefficient_ = value;
    kl_order_ = order;
  }

  // Every weight that is trained, the policy's and the critic's, and the state
  // of the optimizer, as far as this rank holds them.
  NamedTensors ExportParameters() const { return trained_->OwnParameters(); }
  NamedTensors ExportOptimizer() const { return trained_->OwnOptimizer(); }

  // Whole, under the names of the models: what is published, and what a
  // checkpoint holds. Collective; empty on ranks other than 0 if sharded.
  absl::StatusOr<NamedTensors> GatherPolicy() const {
    return trained_->GatherPolicy();
  }
  absl::StatusOr<NamedTensors> GatherParameters() const {
    return trained_->GatherParameters();
  }
  absl::StatusOr<NamedTensors> GatherOptimizer() const {
    return trained_->GatherOptimizer();
  }

  // Takes over what the last two gave, on any number of ranks, sharded or not.
  // Errors: InvalidArgument, naming the tensor that does not fit.
  absl::Status Import(const NamedTensors& parameters,
                      const NamedTensors& optimizer) {
    return trained_->Import(parameters, optimizer);
  }

 private:
  struct Prepared;
  struct Minibatch;
  struct Piece;

  // Of the update that is made.
  double KlCoefficient() const {
    return kl_coefficient_ * rules_.raise_kl * rules_.kl_factor;
  }
  double RateAt(double full_rate, int64_t update, size_t batch_size) const;
  absl::StatusOr<Prepared> Prepare(const std::vector<PpoSample>& batch,
                                   uint64_t first_pass_key);
  // Of this rank's samples those of the first minibatch, if they fit one
  // micro-batch and are known before the evaluation: their policy pass is made
  // once. Places among the own samples.
  std::vector<int64_t> KeptSamples(
      const std::vector<PpoSample>& batch, const Prepared& prepared,
      const std::vector<int64_t>& first_minibatch) const;
  absl::Status Pass(const std::vector<PpoSample>& batch, Prepared& prepared,
                    uint64_t pass_key, UpdateTotals& totals);
  // The policy's step, then that of a separate critic, so that the gradients of
  // one of them exist at a time.
  absl::Status MinibatchStep(const std::vector<PpoSample>& batch,
                             Prepared& prepared, const Minibatch& minibatch,
                             UpdateTotals& totals);
  // One model's gradients and step; as TrainedModels::Step.
  absl::StatusOr<std::optional<double>> PartStep(
      size_t part, const std::vector<PpoSample>& batch, Prepared& prepared,
      const Minibatch& minibatch, UpdateTotals& totals);
  Piece Gather(const std::vector<PpoSample>& batch, const Prepared& prepared,
               absl::Span<const int64_t> indices) const;
  // Forward and backward over `piece`. Gradients are of the loss summed over
  // its tokens, divided by `num_tokens`. `kept` is taken instead of a forward
  // pass.
  void AccumulatePolicyGradients(const Piece& piece,
                                 std::optional<ResponseStates> kept,
                                 double num_tokens, UpdateTotals& totals);
  void AccumulateCriticGradients(const Piece& piece, double num_tokens,
                                 UpdateTotals& totals);
  // Passes that count nothing, for the sake of the other ranks.
  void PassIdly(size_t part, int64_t count);
  // Losses over the response tokens that `states` holds, summed.
  at::Tensor PolicyLoss(const Piece& piece, const ResponseStates& states,
                        UpdateTotals& totals) const;
  at::Tensor ValueLossOf(const Piece& piece, const ResponseStates& states,
                         UpdateTotals& totals) const;
  // Forward and backward over the text drawn for the minibatch `key`.
  void AccumulatePretrainingGradients(uint64_t key, UpdateTotals& totals);
  // Whether the update is to be left out, after as many steps as there were.
  bool Diverged(double kl, const UpdateTotals& totals);
  // Tells the other ranks, and errors, where this one is.
  void Describe(absl::string_view what) const;
  // This rank's samples among `indices`.
  std::vector<int64_t> Own(const Prepared& prepared,
                           const std::vector<int64_t>& indices) const;
  // How many idle passes this rank makes besides those over them.
  int64_t NumIdlePasses(const std::vector<PpoSample>& batch,
                        const Prepared& prepared,
                        const std::vector<int64_t>& indices) const;
  int64_t NumIdlePasses(const std::vector<PromptResponse>& dialogues,
                        const std::vector<int>& rank_of) const;

  const Options options_;
  Communicator* const communicator_;
  std::unique_ptr<TrainedModels> trained_;
  const std::shared_ptr<const Transformer> reference_;
  double kl_coefficient_;
  int64_t kl_order_ = 0;
  UpdateRules rules_;  // of the update that is made
  int64_t update_ = 0;
  int64_t steps_of_update_ = 0;
  Divergence divergence_;
  std::vector<double> response_kl_nats_;
};

}  // namespace rlhf
