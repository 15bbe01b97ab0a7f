// LoRA (Hu et al. 2021, arXiv:2106.09685, §4.1): of each matrix of a layer only
// a change of low rank is trained,
//
//   W = W0 + s B A,  s = alpha / rank,  A [rank, in],  B [out, rank],
//
// with B zero and A uniform within 1 / sqrt(in) at the start, as the reference
// implementation has it. Passes run on W itself, so they cost what they always
// cost; its gradient G becomes those of the factors, s Bᵀ G and s G Aᵀ, and is
// freed at once, so that no model's worth of gradients or moments ever exists.
#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "core/base/hash.h"
#include "trainer/parallel/gradient_hook.h"
#include "trainer/parallel/whole_model.h"

namespace rlhf {
namespace {

// A function of the weight's name and the seed alone: every rank, and every
// start, has the same.
at::Tensor InitialFactor(const std::string& name, int64_t rank, int64_t in,
                         uint64_t seed) {
  std::mt19937_64 random(MixHash(Xxh3(name), seed));
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  std::vector<float> values(static_cast<size_t>(rank * in));
  for (float& value : values) {
    const double uniform =
        static_cast<double>(random() >> 11) * std::ldexp(1, -53);
    value = static_cast<float>((2 * uniform - 1) * bound);
  }
  return at::tensor(values).view({rank, in});
}

void AddTo(const at::Tensor& parameter, const at::Tensor& gradient) {
  at::Tensor& to = parameter.mutable_grad();
  to = to.defined() ? to.add_(gradient) : gradient;
}

class AdaptedModel final : public WholeModel {
 public:
  AdaptedModel(Transformer model, NamedTensors head,
               const TrainedModelOptions& options, Communicator* communicator)
      : WholeModel(std::move(head)),
        base_(std::move(model)),
        merged_(base_.Cast(options.dtype)),
        scale_(options.lora.alpha / options.lora.rank) {
    merged_.set_recompute_activations(options.recompute_activations);
    for (size_t i = 0; i < base_.parameters().size(); ++i) {
      Adopt(base_.parameters()[i], merged_.parameters()[i].tensor, options);
    }
    for (const NamedTensor& p : head_) {
      parameters_.push_back({options.prefix + p.name, p.tensor});
    }
    for (const NamedTensor& p : parameters_) p.tensor.set_requires_grad(true);
    for (size_t i = 0; i < changes_.size(); ++i) {
      OnGradient(changes_[i].merged, [this, i] { Take(changes_[i]); });
    }
    if (communicator->world_size() == 1) return;
    buckets_.emplace(parameters_, options.name, communicator);
  }

  // The weights may outlive their model.
  ~AdaptedModel() override {
    for (const Change& change : changes_) OnGradient(change.merged, nullptr);
  }

  const Transformer& working() const override { return merged_; }

  void ExpectLastPass() override {}
  void CollectGradients() override {}  // the hooks did

  void Refresh() override {
    const c10::NoGradGuard no_grad;
    for (const Change& change : changes_) {
      change.merged.copy_(Changed(change));
    }
  }

  absl::StatusOr<NamedTensors> GatherWeights() const override {
    const c10::NoGradGuard no_grad;
    NamedTensors weights;
    size_t next = 0;
    for (size_t i = 0; i < base_.parameters().size(); ++i) {
      const NamedTensor& base = base_.parameters()[i];
      const bool is_changed =
          next < changes_.size() &&
          changes_[next].merged.is_same(merged_.parameters()[i].tensor);
      weights.push_back(
          {base.name, is_changed ? Changed(changes_[next++]) : base.tensor});
    }
    return weights;
  }

 private:
  // A weight that is not what it was in the base.
  struct Change {
    at::Tensor merged;  // what passes use
    at::Tensor base_OI;
    at::Tensor down_RI, up_OR;
    // Instead of these three: the weight itself, float32, trained whole.
    at::Tensor whole;
  };

  // Matrices of layers get factors; a score head, which no language model has
  // learnt, is trained whole; the rest stays as it is.
  void Adopt(const NamedTensor& base, const at::Tensor& merged,
             const TrainedModelOptions& options) {
    Change change = {.merged = merged};
    std::string name = options.prefix + base.name;
    if (absl::EndsWith(name, "_proj.weight")) {
      change.base_OI = base.tensor;
      const int64_t out = base.tensor.size(0), in = base.tensor.size(1);
      change.down_RI =
          InitialFactor(name, options.lora.rank, in, options.lora.seed)
              .to(base.tensor.device());
      change.up_OR = at::zeros({out, options.lora.rank}, base.tensor.options());
      name = std::string(absl::StripSuffix(name, "weight"));
      parameters_.push_back({name + "lora_A.weight", change.down_RI});
      parameters_.push_back({name + "lora_B.weight", change.up_OR});
    } else if (base.name == "score.weight") {
      change.whole = base.tensor.clone();
      parameters_.push_back({name, change.whole});
    } else {
      return;
    }
    merged.set_requires_grad(true);
    changes_.push_back(std::move(change));
  }

  at::Tensor Changed(const Change& change) const {
    if (change.whole.defined()) return change.whole;
    return at::addmm(change.base_OI, change.up_OR, change.down_RI, 1, scale_);
  }

  void Take(const Change& change) const {
    const c10::NoGradGuard no_grad;
    at::Tensor& merged_gradient = change.merged.mutable_grad();
    const at::Tensor gradient = merged_gradient.to(at::kFloat);
    merged_gradient.reset();
    if (change.whole.defined()) return AddTo(change.whole, gradient);
    AddTo(change.down_RI, change.up_OR.t().matmul(gradient).mul_(scale_));
    AddTo(change.up_OR, gradient.matmul(change.down_RI.t()).mul_(scale_));
  }

  const Transformer base_;
  Transformer merged_;
  const double scale_;
  std::vector<Change> changes_;  // in the order of the model's weights
};

}  // namespace

std::unique_ptr<TrainedModel> MakeAdaptedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator) {
  return std::make_unique<AdaptedModel>(std::move(model), std::move(head),
                                        options, communicator);
}

}  // namespace rlhf
