#include "trainer/parallel/sharded_weights.h"

#include <c10/core/GradMode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

// Reductions under way at once: one moves while the next layer is computed.
constexpr size_t kMaxReductions = 2;

// Passes run inside LibTorch; TorchCall makes a status of it again.
void ThrowIfError(const absl::Status& status) {
  if (!status.ok()) throw StatusError(status);
}

}  // namespace

ShardedWeights::ShardedWeights(const Transformer& model,
                               const NamedTensors& head, const Options& options,
                               Communicator* communicator)
    : communicator_(communicator) {
  const FlatBlock::Layout layout = {.rank = communicator->rank(),
                                    .world_size = communicator->world_size(),
                                    .dtype = options.dtype,
                                    .device = options.device,
                                    .trained = options.trained};
  for (int64_t i = 0; i < model.config().num_layers; ++i) {
    blocks_.emplace_back(absl::StrCat("layer ", i, " of ", options.name),
                         model.LayerParameters(i), layout);
  }
  blocks_.emplace_back(absl::StrCat("embedding and head of ", options.name),
                       model.OuterParameters(), layout);
  NamedTensors weights;
  for (const FlatBlock& block : blocks_) {
    for (const NamedTensor& p : block.weights()) weights.push_back(p);
  }
  if (!head.empty()) {
    FlatBlock::Layout exact = layout;
    exact.dtype = at::kFloat;
    blocks_.emplace_back(absl::StrCat("value head of ", options.name), head,
                         exact);
    head_ = blocks_.back().weights();
  }
  gathers_.resize(blocks_.size());
  present_.resize(blocks_.size());
  absl::StatusOr<Transformer> built =
      Transformer::Create(model.config(), std::move(weights));
  RLHF_CHECK(built.ok()) << built.status();
  model_ = std::make_unique<Transformer>(*std::move(built));
  model_->set_store(this);
}

void ShardedWeights::StartGather(size_t block) {
  if (present_[block] || gathers_[block] != nullptr) return;
  blocks_[block].Allocate();
  gathers_[block] = communicator_->StartAllGather(
      blocks_[block].flat(),
      absl::StrCat("the weights of ", blocks_[block].name()));
}

void ShardedWeights::FinishGather(size_t block) {
  StartGather(block);
  if (present_[block]) return;
  ThrowIfError(std::exchange(gathers_[block], nullptr)->Wait());
  present_[block] = true;
}

void ShardedWeights::Drop(size_t block) {
  if (!present_[block]) return;
  blocks_[block].Free();
  present_[block] = false;
}

void ShardedWeights::BeginPass() {
  for (size_t b = num_layers(); b < blocks_.size(); ++b) StartGather(b);
  StartGather(0);
  for (size_t b = num_layers(); b < blocks_.size(); ++b) FinishGather(b);
}

void ShardedWeights::EndPass() {
  for (size_t b = num_layers(); b < blocks_.size(); ++b) Drop(b);
}

void ShardedWeights::Acquire(int64_t layer, Direction direction) {
  const auto block = static_cast<size_t>(layer);
  FinishGather(block);
  if (direction == Direction::kForward && block + 1 < num_layers()) {
    StartGather(block + 1);
  } else if (direction == Direction::kBackward && block > 0) {
    StartGather(block - 1);
  }
}

void ShardedWeights::Release(int64_t layer) {
  Drop(static_cast<size_t>(layer));
}

void ShardedWeights::TakeGradients(int64_t layer,
                                   std::vector<at::Tensor> gradients) {
  StartReduction(static_cast<size_t>(layer), gradients);
}

void ShardedWeights::StartReduction(size_t block,
                                    const std::vector<at::Tensor>& gradients) {
  if (reductions_.size() == kMaxReductions) FinishReduction();
  at::Tensor flat = blocks_[block].Flatten(gradients);
  auto transfer = communicator_->StartReduceScatterSum(
      flat, absl::StrCat("the gradients of ", blocks_[block].name()));
  reductions_.push_back({block, std::move(flat), std::move(transfer)});
}

void ShardedWeights::FinishReduction() {
  const Reduction reduction = std::move(reductions_.front());
  reductions_.pop_front();
  ThrowIfError(reduction.transfer->Wait());
  const c10::NoGradGuard no_grad;
  const FlatBlock& block = blocks_[reduction.block];
  const at::Tensor sum = block.OwnPart(reduction.flat);
  at::Tensor& gradient = block.share().mutable_grad();
  // A copy, so that the other shares can be freed.
  gradient = gradient.defined() ? gradient.add_(sum) : sum.clone();
}

void ShardedWeights::FinishGradients() {
  for (size_t b = num_layers(); b < blocks_.size(); ++b) {
    std::vector<at::Tensor> gradients;
    for (const NamedTensor& p : blocks_[b].weights()) {
      gradients.push_back(std::exchange(p.tensor.mutable_grad(), {}));
    }
    StartReduction(b, gradients);
  }
  while (!reductions_.empty()) FinishReduction();
  EndPass();
}

}  // namespace rlhf
