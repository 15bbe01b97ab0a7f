#include "trainer/optim/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

std::string ShapeOf(const at::Tensor& tensor) {
  std::ostringstream shape;
  shape << tensor.sizes();
  return shape.str();
}

absl::Status CheckState(std::map<std::string, at::Tensor> given,
                        const NamedTensors& wanted) {
  for (const auto& [name, tensor] : wanted) {
    const auto it = given.find(name);
    if (it == given.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("optimizer state lacks the tensor ", name));
    }
    if (it->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "optimizer state: ", name, " has shape ", ShapeOf(it->second),
          ", this model wants ", ShapeOf(tensor)));
    }
    given.erase(it);
  }
  if (!given.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("optimizer state has the tensor ", given.begin()->first,
                     ", which this model has not"));
  }
  return absl::OkStatus();
}

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : options_(options) {
  std::set<std::string> names;
  for (ParameterGroup& given : groups) {
    Group group{.parameters = std::move(given.parameters),
                .learning_rate = given.learning_rate};
    for (const auto& [name, tensor] : group.parameters) {
      RLHF_CHECK(names.insert(name).second) << "two parameters named " << name;
      group.steps.push_back(at::zeros({}, tensor.options().dtype(at::kFloat)));
      const at::Tensor detached = tensor.detach();
      group.averages.push_back(at::zeros_like(detached));
      group.square_averages.push_back(at::zeros_like(detached));
    }
    groups_.push_back(std::move(group));
  }
}

void AdamW::Step() {
  const at::NoGradGuard no_gradient;
  for (Group& group : groups_) StepGroup(group);
}

void AdamW::StepGroup(Group& group) {
  std::vector<at::Tensor> parameters, gradients, averages, square_averages,
      steps;
  for (size_t i = 0; i < group.parameters.size(); ++i) {
    const at::Tensor& parameter = group.parameters[i].tensor;
    if (!parameter.grad().defined()) continue;
    parameters.push_back(parameter);
    gradients.push_back(parameter.grad());
    averages.push_back(group.averages[i]);
    square_averages.push_back(group.square_averages[i]);
    steps.push_back(group.steps[i]);
  }
  if (parameters.empty()) return;
  at::_foreach_add_(steps, 1);
  at::_fused_adamw_(parameters, gradients, averages, square_averages,
                    /*max_exp_avg_sqs=*/{}, steps, group.learning_rate,
                    options_.beta1, options_.beta2, options_.weight_decay,
                    options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::ClearGradients() {
  for (Group& group : groups_) {
    for (NamedTensor& parameter : group.parameters) {
      parameter.tensor.mutable_grad() = at::Tensor();
    }
  }
}

std::vector<at::Tensor> AdamW::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (at::Tensor& gradient : Gradients(group)) {
      gradients.push_back(std::move(gradient));
    }
  }
  return gradients;
}

std::vector<at::Tensor> AdamW::Gradients(size_t group) const {
  RLHF_CHECK(group < groups_.size()) << group << " of " << groups_.size();
  std::vector<at::Tensor> gradients;
  for (const NamedTensor& parameter : groups_[group].parameters) {
    const at::Tensor& gradient = parameter.tensor.grad();
    if (gradient.defined()) gradients.push_back(gradient);
  }
  return gradients;
}

void AdamW::SetLearningRate(size_t group, double learning_rate) {
  RLHF_CHECK(group < groups_.size()) << group << " of " << groups_.size();
  groups_[group].learning_rate = learning_rate;
}

NamedTensors AdamW::ExportState() const {
  NamedTensors state;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const std::string& name = group.parameters[i].name;
      state.push_back({absl::StrCat(name, ".step"), group.steps[i]});
      state.push_back({absl::StrCat(name, ".exp_avg"), group.averages[i]});
      state.push_back(
          {absl::StrCat(name, ".exp_avg_sq"), group.square_averages[i]});
    }
  }
  return state;
}

absl::Status AdamW::ImportState(const NamedTensors& state) {
  std::map<std::string, at::Tensor> given;
  for (const auto& [name, tensor] : state) given[name] = tensor;
  const NamedTensors wanted = ExportState();
  RLHF_RETURN_IF_ERROR(CheckState(given, wanted));
  const at::NoGradGuard no_gradient;
  for (const auto& [name, tensor] : wanted) tensor.copy_(given[name]);
  return absl::OkStatus();
}

}  // namespace rlhf
