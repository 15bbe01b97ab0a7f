#include "core/nn/recompute.h"

#include <ATen/core/ivalue.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace rlhf {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What an autograd node can keep.
struct Holder final : torch::CustomClassHolder {
  explicit Holder(std::shared_ptr<const RecomputedLayer> held)
      : layer(std::move(held)) {}
  const std::shared_ptr<const RecomputedLayer> layer;
};

class RecomputeFunction : public torch::autograd::Function<RecomputeFunction> {
 public:
  // `leaves` are the weights that get their gradients from autograd.
  static at::Tensor forward(
      AutogradContext* context, const at::Tensor& input,
      at::TensorList /*leaves*/,
      const std::shared_ptr<const RecomputedLayer>& layer) {
    context->save_for_backward({input});
    context->saved_data["layer"] =
        c10::IValue::make_capsule(c10::make_intrusive<Holder>(layer));
    if (layer->store == nullptr) return layer->run(input);
    layer->store->Acquire(layer->index, LayerWeights::Direction::kForward);
    const at::Tensor output = layer->run(input);
    layer->store->Release(layer->index);
    return output;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const auto holder = c10::static_intrusive_pointer_cast<Holder>(
        context->saved_data["layer"].toCapsule());
    const RecomputedLayer& layer = *holder->layer;
    if (layer.store != nullptr) {
      layer.store->Acquire(layer.index, LayerWeights::Direction::kBackward);
    }
    variable_list found =
        Differentiate(layer, context->get_saved_variables()[0], gradients[0]);
    if (layer.store != nullptr) {
      layer.store->Release(layer.index);
      layer.store->TakeGradients(layer.index, {found.begin() + 1, found.end()});
      found.resize(1);
    }
    found.emplace_back();  // the layer itself
    return found;
  }

 private:
  // The gradients of the input and of each weight.
  static variable_list Differentiate(const RecomputedLayer& layer,
                                     const at::Tensor& saved,
                                     const at::Tensor& gradient) {
    const c10::AutoGradMode with_gradients(true);
    const at::Tensor input = saved.detach().set_requires_grad(true);
    variable_list wanted = {input};
    wanted.insert(wanted.end(), layer.weights.begin(), layer.weights.end());
    return torch::autograd::grad({layer.run(input)}, wanted, {gradient});
  }
};

}  // namespace

at::Tensor Recomputed(const at::Tensor& input,
                      std::shared_ptr<const RecomputedLayer> layer) {
  return RecomputeFunction::apply(input,
                                  layer->store == nullptr
                                      ? at::TensorList(layer->weights)
                                      : at::TensorList(),
                                  layer);
}

}  // namespace rlhf
