#include "actor/staged_prompt.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <c10/core/InferenceMode.h>

#include "core/nn/packed_batch.h"
#include "gtest/gtest.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using Ids = std::vector<int32_t>;

class StagedPromptTest : public testing::Test {
 protected:
  // Takes all of what is begun in chunks of so many tokens, and returns how
  // many chunks there were.
  int TakeAll(int64_t chunk) {
    int count = 0;
    for (; !staged_.complete(); ++count) {
      EXPECT_LE(staged_.Advance(model_, chunk), chunk);
    }
    return count;
  }

  const c10::InferenceMode no_autograd_;
  const Transformer model_ = MakeTinyModel(1);
  const Ids prompt_ = {9, 81, 17, 33, 6, 240, 5, 400, 7, 77};
  // The sequences'.
  KvCache cache_{model_.config(), 3, 16, at::kFloat};
  StagedPrompt staged_;
};

TEST_F(StagedPromptTest, InChunksItIsWhatOnePrefillMakesOfIt) {
  KvCache whole(model_.config(), 1, 16, at::kFloat);
  whole.AddRow();
  const at::Tensor logits =
      model_.Logits(model_.Prefill(Pack({prompt_}, at::kCPU), {0}, whole));
  for (const int64_t chunk : {1, 3, 9, 10, 100}) {
    staged_.Begin(model_, prompt_, cache_);
    EXPECT_EQ(TakeAll(chunk), (10 + chunk - 1) / chunk);
    EXPECT_TRUE(at::allclose(staged_.logits(), logits, 1e-4, 1e-5)) << chunk;
    const int64_t row = cache_.AddRow();
    staged_.CopyTo(cache_, row);
    EXPECT_EQ(cache_.lengths()[row], 10);
    for (int64_t layer = 0; layer < model_.config().num_layers; ++layer) {
      EXPECT_TRUE(at::allclose(cache_.key(layer)[row], whole.key(layer)[0],
                               1e-4, 1e-5));
      EXPECT_TRUE(at::allclose(cache_.value(layer)[row], whole.value(layer)[0],
                               1e-4, 1e-5));
    }
    cache_.RemoveRow(row);
  }
}

TEST_F(StagedPromptTest, TellsWhatItHoldsAndHowFarItIs) {
  EXPECT_FALSE(staged_.Holds(prompt_));
  EXPECT_FALSE(staged_.Holds({})) << "nothing is no prompt";
  EXPECT_FALSE(staged_.complete());
  staged_.Begin(model_, prompt_, cache_);
  EXPECT_TRUE(staged_.Holds(prompt_));
  EXPECT_FALSE(staged_.Holds({9, 81, 17})) << "a part is another prompt";
  EXPECT_EQ(staged_.Advance(model_, 6), 6);
  EXPECT_FALSE(staged_.complete());
  EXPECT_EQ(staged_.Advance(model_, 6), 4);
  EXPECT_TRUE(staged_.complete());
  EXPECT_TRUE(staged_.Holds(prompt_));
}

TEST_F(StagedPromptTest, EverySampleOfAPromptGetsTheSameCopy) {
  staged_.Begin(model_, prompt_, cache_);
  TakeAll(4);
  for (int sample = 0; sample < 3; ++sample) {
    staged_.CopyTo(cache_, cache_.AddRow());
  }
  EXPECT_TRUE(at::equal(cache_.key(1)[0], cache_.key(1)[2]));
  // A row that goes on is its own.
  cache_.value(1)[0].fill_(5);
  EXPECT_FALSE(at::equal(cache_.value(1)[0], cache_.value(1)[1]));
  EXPECT_TRUE(at::equal(cache_.value(1)[1], cache_.value(1)[2]));
}

TEST_F(StagedPromptTest, AnotherPromptBeginsWithNothingOfTheOneBefore) {
  staged_.Begin(model_, prompt_, cache_);
  staged_.Advance(model_, 6);
  const Ids other = {400, 5, 17, 9, 33};
  staged_.Begin(model_, other, cache_);
  EXPECT_FALSE(staged_.Holds(prompt_));
  EXPECT_EQ(TakeAll(2), 3);
  const at::Tensor after_other = staged_.logits();
  StagedPrompt fresh;
  fresh.Begin(model_, other, cache_);
  while (!fresh.complete()) fresh.Advance(model_, 2);
  EXPECT_TRUE(at::equal(after_other, fresh.logits()));
}

TEST_F(StagedPromptTest, ForgetsWhatOldWeightsMade) {
  staged_.Begin(model_, prompt_, cache_);
  TakeAll(4);
  staged_.Clear();
  EXPECT_FALSE(staged_.Holds(prompt_));
  EXPECT_FALSE(staged_.complete());
  EXPECT_DEATH(staged_.Advance(model_, 1), "check failed");
}

TEST_F(StagedPromptTest, NothingIsTakenOfACompletePromptOrInStepsOfNone) {
  staged_.Begin(model_, prompt_, cache_);
  EXPECT_DEATH(staged_.Advance(model_, 0), "check failed");
  TakeAll(4);
  EXPECT_DEATH(staged_.Advance(model_, 1), "check failed");
}

}  // namespace
}  // namespace rlhf
