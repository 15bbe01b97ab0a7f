// Notice of a leaf's gradient, in the middle of a backward pass.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <functional>
#include <memory>
#include <utility>

namespace rlhf {

// Calls `function` whenever `leaf` has got its gradient of a backward pass, on
// the thread of that pass; null: never again.
inline void OnGradient(const at::Tensor& leaf, std::function<void()> function) {
  class Hook final : public torch::autograd::PostAccumulateGradHook {
   public:
    explicit Hook(std::function<void()> function)
        : function_(std::move(function)) {}
    void operator()(const at::Tensor&) override { function_(); }

   private:
    const std::function<void()> function_;
  };
  torch::autograd::impl::set_post_acc_grad_hooks(
      leaf, function == nullptr ? nullptr
                                : std::make_unique<Hook>(std::move(function)));
}

}  // namespace rlhf
