#include "core/nn/packed_batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <random>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/transformer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using Ids = std::vector<int32_t>;
using testing::ElementsAre;

// The tokens of a sequence, as they are laid down.
Ids Unpack(const PackedBatch& batch, size_t sequence) {
  Ids ids;
  for (int64_t p = 0; p < batch.lengths[sequence]; ++p) {
    const int64_t row = batch.RowOf(sequence, p);
    EXPECT_EQ(batch.position_T[row].item<int64_t>(), p);
    ids.push_back(batch.token_T[row].item<int32_t>());
  }
  return ids;
}

// Up to 9 sequences that grow like a tree from few tokens; some are equal, some
// continue another one.
std::vector<Ids> RandomTree(std::mt19937& random) {
  const auto below = [&random](size_t n) { return random() % n; };
  std::vector<Ids> sequences = {{}};
  for (size_t i = 0; i < 1 + below(9); ++i) {
    Ids ids = sequences[below(sequences.size())];
    ids.resize(below(ids.size() + 1));
    const size_t more = below(12);
    for (size_t k = 0; k < more || ids.empty(); ++k) {
      ids.push_back(static_cast<int32_t>(below(3)));
    }
    sequences.push_back(ids);
  }
  sequences.erase(sequences.begin());
  return sequences;
}

TEST(PackTest, EqualBeginningsAreLaidDownOnce) {
  const Ids system = {1, 2, 3, 4, 5};
  const auto after = [&](Ids ids) {
    ids.insert(ids.begin(), system.begin(), system.end());
    return ids;
  };
  // The first two share a prompt, too.
  const std::vector<Ids> sequences = {after({6, 7, 8, 9, 10}),
                                      after({6, 7, 8, 9, 11, 12}), after({13})};
  const PackedBatch batch = Pack(sequences, at::kCPU);
  EXPECT_EQ(batch.token_T.numel(), 5 + 4 + 1 + 2 + 1);
  EXPECT_THAT(batch.PathOf(0), ElementsAre(0, 1, 2));
  EXPECT_THAT(batch.PathOf(1), ElementsAre(0, 1, 3));
  EXPECT_THAT(batch.PathOf(2), ElementsAre(0, 4));
  for (size_t s = 0; s < 3; ++s) EXPECT_EQ(Unpack(batch, s), sequences[s]);
  EXPECT_THAT(batch.LastRows(), ElementsAre(9, 11, 12));
}

TEST(PackTest, EqualSequencesAreOne) {
  const PackedBatch batch = Pack({{1, 2, 3, 4}, {1, 2, 3, 4}}, at::kCPU);
  EXPECT_EQ(batch.token_T.numel(), 4);
  EXPECT_THAT(batch.LastRows(), ElementsAre(3, 3));
}

TEST(PackTest, AFewEqualTokensAreNotWorthSharing) {
  const PackedBatch batch = Pack({{1, 2, 3, 4}, {1, 2, 3, 5}}, at::kCPU);
  EXPECT_EQ(batch.segments.size(), 2);
  EXPECT_EQ(batch.token_T.numel(), 8);
}

TEST(PackTest, EverySequenceIsThere) {
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    const std::vector<Ids> sequences = RandomTree(random);
    const PackedBatch batch = Pack(sequences, at::kCPU);
    for (size_t s = 0; s < sequences.size(); ++s) {
      ASSERT_EQ(Unpack(batch, s), sequences[s]);
    }
    int64_t rows = 0;
    for (const Segment& segment : batch.segments) {
      EXPECT_EQ(segment.begin, rows);
      EXPECT_GT(segment.length, 0);
      rows += segment.length;
    }
    EXPECT_EQ(rows, batch.token_T.numel());
  }
}

// The states of all tokens of `sequences`, one after the other.
at::Tensor StatesOf(const Transformer& model, const PackedBatch& batch) {
  std::vector<int64_t> rows;
  for (size_t s = 0; s < batch.lengths.size(); ++s) {
    for (int64_t p = 0; p < batch.lengths[s]; ++p) {
      rows.push_back(batch.RowOf(s, p));
    }
  }
  return model.Forward(batch).index_select(0, at::tensor(rows));
}

TEST(PackTest, SharingChangesNeitherStatesNorGradients) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
  std::mt19937 random(2);
  for (int i = 0; i < 10; ++i) {
    const std::vector<Ids> sequences = RandomTree(random);
    const at::Tensor shared_ND = StatesOf(model, Pack(sequences, at::kCPU));
    const at::Tensor weight_ND = at::randn(shared_ND.sizes());
    (shared_ND * weight_ND).sum().backward();
    std::vector<at::Tensor> shared_gradients;
    for (const NamedTensor& p : model.parameters()) {
      shared_gradients.push_back(p.tensor.grad());
      p.tensor.mutable_grad().reset();
    }
    int64_t begin = 0;
    for (const Ids& ids : sequences) {
      const at::Tensor alone = model.Forward(Pack({ids}, at::kCPU));
      const auto length = static_cast<int64_t>(ids.size());
      EXPECT_LT((alone - shared_ND.narrow(0, begin, length))
                    .abs()
                    .max()
                    .item<double>(),
                1e-5);
      (alone * weight_ND.narrow(0, begin, length)).sum().backward();
      begin += length;
    }
    for (size_t k = 0; k < shared_gradients.size(); ++k) {
      at::Tensor& expected = model.parameters()[k].tensor.mutable_grad();
      if (!expected.defined()) continue;
      EXPECT_LT((shared_gradients[k] - expected).abs().max().item<double>(),
                1e-4 * (1 + expected.abs().max().item<double>()))
          << model.parameters()[k].name;
      expected.reset();
    }
  }
}

}  // namespace
}  // namespace rlhf
