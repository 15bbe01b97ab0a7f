// Keeps one share per rank of a model's weights, and brings a layer's weights
// together while it is computed; the next layer's are fetched meanwhile.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "core/nn/recompute.h"
#include "core/nn/transformer.h"
#include "trainer/parallel/flat_block.h"

namespace rlhf {

class ShardedWeights final : public LayerWeights {
 public:
  struct Options {
    std::string name;  // "policy"
    at::ScalarType dtype = at::kFloat;
    // Wherever the model that is cut up is.
    at::Device device = at::kCPU;
    bool trained = true;
  };

  // One block per layer, one for what belongs to no layer, and one, of float32,
  // for `head` if there is any. `communicator` is not owned.
  ShardedWeights(const Transformer& model, const NamedTensors& head,
                 const Options& options, Communicator* communicator);
  ShardedWeights(const ShardedWeights&) = delete;
  ShardedWeights& operator=(const ShardedWeights&) = delete;

  // Runs on this store; lives as long as it.
  const Transformer& model() const { return *model_; }
  // The tensors of `head`, there while the model's outer ones are.
  const NamedTensors& head() const { return head_; }
  // Layers first.
  const std::vector<FlatBlock>& blocks() const { return blocks_; }

  void BeginPass() override;
  void EndPass() override;
  void Acquire(int64_t layer, Direction direction) override;
  void Release(int64_t layer) override;
  // Adds the sums over ranks to the gradients of the shares, by the time of
  // FinishGradients.
  void TakeGradients(int64_t layer, std::vector<at::Tensor> gradients) override;

  // After a backward pass: takes the gradients of what belongs to no layer,
  // drops it, and waits for whatever is under way.
  void FinishGradients();

 private:
  struct Reduction {
    size_t block;
    at::Tensor flat;
    std::unique_ptr<Transfer> transfer;
  };

  size_t num_layers() const {
    return static_cast<size_t>(model_->config().num_layers);
  }
  void StartGather(size_t block);
  void FinishGather(size_t block);
  void Drop(size_t block);
  void StartReduction(size_t block, const std::vector<at::Tensor>& gradients);
  void FinishReduction();

  Communicator* const communicator_;
  std::vector<FlatBlock> blocks_;
  // By block.
  std::vector<std::unique_ptr<Transfer>> gathers_;
  std::vector<bool> present_;
  std::deque<Reduction> reductions_;
  std::unique_ptr<Transformer> model_;
  NamedTensors head_;
};

}  // namespace rlhf
