#include "core/nn/recompute.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <map>
#include <string>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/peak_memory.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

std::vector<std::vector<int32_t>> Sequences(int length) {
  std::vector<std::vector<int32_t>> sequences(2);
  for (int i = 0; i < length; ++i) {
    sequences[0].push_back(3 + i % 20);
    sequences[1].push_back(3 + i * 7 % 20);
  }
  return sequences;
}

struct Trained {
  at::Tensor loss;
  std::vector<at::Tensor> gradients;
  int64_t peak_bytes = 0;
};

Trained Train(const std::string& fixture, bool recompute, int length) {
  Transformer model = *LoadModel(NnFixture(fixture));
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
  model.set_recompute_activations(recompute);
  Trained run;
  const PeakMemory memory;
  run.loss = model.Forward(Pack(Sequences(length), at::kCPU)).square().sum();
  run.loss.backward();
  run.peak_bytes = memory.peak_bytes();
  for (const NamedTensor& p : model.parameters()) {
    run.gradients.push_back(p.tensor.grad());
  }
  return run;
}

TEST(RecomputeTest, GradientsAreThoseOfThePlainPassBitForBit) {
  for (const char* fixture : {"llama_tied", "llama_untied", "qwen2", "qwen3"}) {
    const Trained plain = Train(fixture, false, 9);
    const Trained again = Train(fixture, true, 9);
    EXPECT_TRUE(at::equal(plain.loss, again.loss)) << fixture;
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      ASSERT_EQ(plain.gradients[i].defined(), again.gradients[i].defined());
      if (!plain.gradients[i].defined()) continue;  // an untied head
      EXPECT_TRUE(at::equal(plain.gradients[i], again.gradients[i]))
          << fixture << " " << i;
    }
  }
}

TEST(RecomputeTest, HoldsLessAtItsPeak) {
  // Two layers: at the peak one of them is there, not both.
  const int64_t plain = Train("llama_tied", false, 200).peak_bytes;
  const int64_t again = Train("llama_tied", true, 200).peak_bytes;
  EXPECT_LT(static_cast<double>(again), 0.75 * static_cast<double>(plain))
      << again << " against " << plain;
}

// A store that only writes down what it is asked for.
class Diary final : public LayerWeights {
 public:
  void BeginPass() override { entries += "begin "; }
  void EndPass() override { entries += "end "; }
  void Acquire(int64_t layer, Direction direction) override {
    entries += direction == Direction::kForward ? "+" : "~";
    entries += std::to_string(layer) + " ";
  }
  void Release(int64_t layer) override {
    entries += "-" + std::to_string(layer) + " ";
  }
  void TakeGradients(int64_t layer,
                     std::vector<at::Tensor> gradients) override {
    entries += "g" + std::to_string(layer) + " ";
    taken[layer] = std::move(gradients);
  }

  std::string entries;
  std::map<int64_t, std::vector<at::Tensor>> taken;
};

TEST(RecomputeTest, AStoreIsAskedLayerByLayerAndGetsTheGradients) {
  const Trained plain = Train("llama_tied", false, 9);
  Transformer model = *LoadModel(NnFixture("llama_tied"));
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
  Diary diary;
  model.set_store(&diary);
  model.Forward(Pack(Sequences(9), at::kCPU)).square().sum().backward();
  model.EndPass();
  EXPECT_EQ(diary.entries, "begin +0 -0 +1 -1 ~1 -1 g1 ~0 -0 g0 end ");
  // parameters() begins with the embedding, then come the layers.
  size_t next = 1;
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const at::Tensor& gradient : diary.taken[layer]) {
      EXPECT_TRUE(at::equal(gradient, plain.gradients[next++]));
    }
  }
  for (const NamedTensor& p : model.OuterParameters()) {
    EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
  }
  EXPECT_FALSE(model.LayerParameters(0)[0].tensor.grad().defined());
}

}  // namespace
}  // namespace rlhf
