#include "actor/policy_runner.h"

#include "actor/actor_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PolicyRunnerTest : public testing::Test {
 protected:
  // Samples `count` tokens and notes the version that did.
  absl::Status Add(int count) {
    return runner_
        .Add({.prompt_ids = {9, 81, 17}, .max_new_tokens = count},
             [this, count](absl::StatusOr<EngineResult> result) {
               ASSERT_OK(result);
               EXPECT_EQ(result->token_ids.size(), count);
               versions_.push_back(runner_.version());
             })
        .status();
  }

  TestMetrics metrics_;
  PolicyRunner runner_{{.max_batch = 4}, &metrics_.series};
  std::vector<int64_t> versions_;
};

TEST_F(PolicyRunnerTest, HasNoRoomWithoutAPolicy) {
  EXPECT_FALSE(runner_.has_policy());
  EXPECT_TRUE(runner_.accepting());
  EXPECT_EQ(runner_.room(), 0);
  EXPECT_OK(runner_.Step());
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  EXPECT_TRUE(runner_.has_policy());
  EXPECT_EQ(runner_.version(), 1);
  EXPECT_EQ(runner_.room(), 4);
}

TEST_F(PolicyRunnerTest, CallsEachOwnerOnceAndCountsTokens) {
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  for (const int count : {3, 1, 2}) ASSERT_OK(Add(count));
  EXPECT_EQ(runner_.room(), 1);
  while (!runner_.idle()) EXPECT_OK(runner_.Step());
  EXPECT_THAT(versions_, ElementsAre(1, 1, 1));
  EXPECT_EQ(metrics_.series.prompt_tokens.Value(), 9);
  EXPECT_EQ(metrics_.series.generated_tokens.Value(), 6);
  EXPECT_GE(
      metrics_.series.inter_token_seconds.Collect().histogram.sample_count, 3);
}

TEST_F(PolicyRunnerTest, ANewVersionWaitsForTheSequencesOfTheOldOne) {
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  ASSERT_OK(Add(3));
  EXPECT_OK(runner_.Step());
  ASSERT_OK(runner_.Offer({.version = 2, .model = TinyPolicy(2)}));
  EXPECT_FALSE(runner_.accepting());
  EXPECT_EQ(runner_.version(), 1);
  // A third one comes while the second waits: the second is never used.
  ASSERT_OK(runner_.Offer({.version = 3, .model = TinyPolicy(3)}));
  while (!runner_.idle()) EXPECT_OK(runner_.Step());
  EXPECT_THAT(versions_, ElementsAre(1));
  EXPECT_TRUE(runner_.accepting());
  EXPECT_EQ(runner_.version(), 3);
  EXPECT_EQ(metrics_.series.policy_version.Value(), 3);
}

TEST_F(PolicyRunnerTest, ANewVersionIsTakenWhenWhatItWaitsForIsCancelled) {
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  ASSERT_OK_AND_ASSIGN(
      const uint64_t id,
      runner_.Add({.prompt_ids = {9}, .max_new_tokens = 1000},
                  [](const auto&) { ADD_FAILURE() << "called back"; }));
  EXPECT_OK(runner_.Step());
  ASSERT_OK(runner_.Offer({.version = 2, .model = TinyPolicy(2)}));
  EXPECT_FALSE(runner_.accepting());
  runner_.Cancel(id);
  EXPECT_OK(runner_.Step());
  EXPECT_TRUE(runner_.accepting());
  EXPECT_EQ(runner_.version(), 2);
}

TEST_F(PolicyRunnerTest, ANewVersionMayGoOnWithTheSequencesOfTheOldOne) {
  for (const auto on_new_version : {PolicyRunner::OnNewVersion::kKeepCache,
                                    PolicyRunner::OnNewVersion::kRecompute}) {
    PolicyRunner runner({.max_batch = 4}, &metrics_.series, on_new_version);
    ASSERT_OK(runner.Offer({.version = 1, .model = TinyPolicy(1)}));
    std::vector<VersionRun> versions;
    ASSERT_OK(runner.Add({.prompt_ids = {9, 81, 17}, .max_new_tokens = 5},
                         [&](absl::StatusOr<EngineResult> result) {
                           ASSERT_OK(result);
                           versions = result->versions;
                         }));
    EXPECT_OK(runner.Step());
    ASSERT_OK(runner.Offer({.version = 2, .model = TinyPolicy(2)}));
    EXPECT_TRUE(runner.accepting());
    EXPECT_EQ(runner.version(), 2);
    while (!runner.idle()) EXPECT_OK(runner.Step());
    EXPECT_THAT(versions, ElementsAre(VersionRun{1, 1}, VersionRun{2, 4}));
  }
}

// Also of a sequence that goes on.
TEST_F(PolicyRunnerTest,
       APackedVersionIsReplacedInItsMemoryAndSamplesAsAnother) {
  const auto sample = [&](PolicyRunner& runner, bool replace) {
    EngineResult sampled;
    EXPECT_OK(runner.Offer({.version = 1, .model = TinyPolicy(1)}));
    EXPECT_OK(runner.Add(
        {.prompt_ids = {9, 81, 17}, .max_new_tokens = 6, .temperature = 0},
        [&](absl::StatusOr<EngineResult> result) {
          ASSERT_OK(result);
          sampled = *std::move(result);
        }));
    EXPECT_OK(runner.Step());
    if (replace) {
      EXPECT_OK(runner.Offer({.version = 2, .model = TinyPolicy(2)}));
    }
    while (!runner.idle()) EXPECT_OK(runner.Step());
    return sampled;
  };
  for (const bool replace : {false, true}) {
    PolicyRunner plain({.max_batch = 4}, &metrics_.series,
                       PolicyRunner::OnNewVersion::kRecompute);
    PolicyRunner packed({.max_batch = 4}, &metrics_.series,
                        PolicyRunner::OnNewVersion::kRecompute, PolicyPacker());
    const EngineResult one = sample(plain, replace);
    const EngineResult other = sample(packed, replace);
    EXPECT_EQ(one.token_ids, other.token_ids);
    EXPECT_EQ(one.versions, other.versions);
    ASSERT_EQ(one.model_logprobs.size(), other.model_logprobs.size());
    for (size_t i = 0; i < one.model_logprobs.size(); ++i) {
      EXPECT_NEAR(one.model_logprobs[i], other.model_logprobs[i], 1e-4);
    }
  }
}

TEST_F(PolicyRunnerTest, ASequenceCanBeLookedAtWhileItIsSampled) {
  EXPECT_EQ(runner_.Find(1), nullptr);
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  ASSERT_OK_AND_ASSIGN(const uint64_t id,
                       runner_.Add({.prompt_ids = {9}, .max_new_tokens = 3},
                                   [](const auto&) {}));
  EXPECT_EQ(runner_.Find(id), nullptr);  // it waits
  EXPECT_OK(runner_.Step());
  ASSERT_NE(runner_.Find(id), nullptr);
  EXPECT_EQ(runner_.Find(id)->token_ids.size(), 1u);
  while (!runner_.idle()) EXPECT_OK(runner_.Step());
  EXPECT_EQ(runner_.Find(id), nullptr);
}

TEST_F(PolicyRunnerTest, TooLittleMemoryForTheCacheIsAnErrorNotACrash) {
  PolicyRunner runner({.max_batch = 4096, .max_tokens = int64_t{1} << 34},
                      &metrics_.series);
  EXPECT_THAT(runner.Offer({.version = 1, .model = TinyPolicy(1)}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("actor.max_batch")));
  EXPECT_FALSE(runner.has_policy());
}

TEST_F(PolicyRunnerTest, ARefusedRequestIsNotCalledBack) {
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  EXPECT_THAT(Add(5000), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("exceed the limit of 2048")));
  EXPECT_TRUE(runner_.idle());
  EXPECT_EQ(metrics_.series.prompt_tokens.Value(), 0);
}

}  // namespace
}  // namespace rlhf
