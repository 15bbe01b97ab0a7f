// What ends a response of the generation engine, and what it is drawn from.
#include <cmath>
#include <map>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "core/text/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::Each;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Ids = std::vector<int32_t>;

class EngineSamplingTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(tokenizer_, Tokenizer::Load(TinyTokenizer()));
  }

  static EngineRequest Request(int max_new_tokens = 12) {
    return {.id = 1,
            .prompt_ids = {9, 81, 17},
            .stream = 5,
            .max_new_tokens = max_new_tokens};
  }
  // The bytes of the first `count` tokens.
  std::string TextOf(const Ids& ids, size_t count) const {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      text += std::string(tokenizer_->TextBytes(ids[i]));
    }
    return text;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(EngineSamplingTest, TheTextIsWhatTheTokensSay) {
  const EngineResult result =
      SampleAlone(TinyPolicy(1), Request(), tokenizer_.get());
  EXPECT_EQ(result.text, TextOf(result.token_ids, 12));
  EXPECT_THAT(SampleAlone(TinyPolicy(1), Request()).text, IsEmpty());
}

TEST_F(EngineSamplingTest, AStopStringMaySpanTokensAndIsCutFromTheText) {
  const auto model = TinyPolicy(1);
  const EngineResult whole = SampleAlone(model, Request(), tokenizer_.get());
  size_t num_spanning = 0;
  for (size_t i = 1; i + 1 < whole.token_ids.size(); ++i) {
    const std::string before = TextOf(whole.token_ids, i);
    const std::string after = TextOf(whole.token_ids, i + 1);
    if (before.empty() || after.size() == before.size()) continue;
    ++num_spanning;
    // The last byte of one token and the first of the next.
    EngineRequest request = Request();
    request.stops.strings = {whole.text.substr(before.size() - 1, 2)};
    const size_t begin = whole.text.find(request.stops.strings[0]);
    size_t count = 0;
    while (TextOf(whole.token_ids, count).size() < begin + 2) ++count;

    const EngineResult result = SampleAlone(model, request, tokenizer_.get());

    EXPECT_EQ(result.finish_reason, v1::FINISH_REASON_STOP_STRING);
    EXPECT_EQ(result.text, whole.text.substr(0, begin));
    EXPECT_THAT(result.token_ids,
                ElementsAreArray(whole.token_ids.data(), count));
    EXPECT_THAT(result.logprobs, SizeIs(count));
    EXPECT_THAT(result.model_logprobs, SizeIs(count));
  }
  EXPECT_GT(num_spanning, 3u);
}

TEST_F(EngineSamplingTest, AStopStringThatDoesNotComeChangesNothing) {
  EngineRequest request = Request();
  request.stops.strings = {"no such text anywhere"};
  const EngineResult result =
      SampleAlone(TinyPolicy(1), request, tokenizer_.get());
  const EngineResult plain =
      SampleAlone(TinyPolicy(1), Request(), tokenizer_.get());
  EXPECT_EQ(result.token_ids, plain.token_ids);
  EXPECT_EQ(result.text, plain.text);
  EXPECT_EQ(result.finish_reason, v1::FINISH_REASON_LENGTH);
}

TEST_F(EngineSamplingTest, AResponseThatRepeatsItselfIsEnded) {
  // Greedy over equal logits: token 0 again and again.
  EngineRequest request = Request(100);
  request.temperature = 0;
  request.stops = {.repetition_block = 3, .repetition_copies = 5};
  const EngineResult result = SampleAlone(FlatPolicy(), request);
  EXPECT_EQ(result.token_ids, Ids(5, 0));
  EXPECT_EQ(result.finish_reason, v1::FINISH_REASON_REPETITION);
  request.stops = {};
  EXPECT_EQ(SampleAlone(FlatPolicy(), request).finish_reason,
            v1::FINISH_REASON_LENGTH);
}

TEST_F(EngineSamplingTest, AnEndOfSequenceComesBeforeOtherReasons) {
  GenerationEngine engine(FlatPolicy(), {.eos_ids = {0}});
  EngineRequest request = Request(2);
  request.temperature = 0;
  request.stops = {.repetition_block = 1, .repetition_copies = 2};
  ASSERT_OK(engine.Add(request));
  EXPECT_EQ(Drain(engine).at(1).finish_reason, v1::FINISH_REASON_STOP);
}

TEST_F(EngineSamplingTest, LogprobsAreOfWhatWasDrawnFromAndOfTheModel) {
  EngineRequest request = Request(40);
  request.temperature = 0.5;
  request.truncation = {.top_k = 4};
  const EngineResult result = SampleAlone(FlatPolicy(), request);
  EXPECT_THAT(result.token_ids, Each(testing::Lt(4)));
  EXPECT_THAT(result.logprobs, Each(testing::FloatNear(-std::log(4.0F), 1e-5)));
  EXPECT_THAT(result.model_logprobs,
              Each(testing::FloatNear(-std::log(512.0F), 1e-4)));
}

TEST_F(EngineSamplingTest, AResultDoesNotDependOnWhatSharesItsBatch) {
  const auto model = TinyPolicy(1);
  std::vector<EngineRequest> requests;
  for (uint64_t i = 0; i < 6; ++i) {
    requests.push_back(Request(8 + static_cast<int>(i)));
    requests.back().id = i;
    requests.back().stream = 100 + i;
    requests.back().temperature = i == 3 ? 0 : 0.7;
    requests.back().truncation = {.top_k = i % 2 == 0 ? 20 : 0,
                                  .top_p = i < 3 ? 0.9 : 1};
  }
  GenerationEngine engine(model, {.max_batch = 4});
  for (const EngineRequest& request : requests) ASSERT_OK(engine.Add(request));
  const auto together = Drain(engine);
  for (const EngineRequest& request : requests) {
    EXPECT_EQ(together.at(request.id).token_ids,
              SampleAlone(model, request).token_ids)
        << request.id;
  }
}

// Tells how often it was asked.
class CountingClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(0); }
  absl::Time Monotonic() const override {
    ++num_asked;
    return now;
  }
  mutable int num_asked = 0;
  absl::Time now = absl::FromUnixSeconds(1'000);
};

TEST_F(EngineSamplingTest, WhoseTimeIsOverEndsWithWhatItHas) {
  CountingClock clock;
  GenerationEngine engine(TinyPolicy(1), {.max_batch = 2, .clock = &clock});
  for (uint64_t id = 1; id <= 3; ++id) {
    EngineRequest request = Request(10);
    request.id = id;
    if (id != 2) request.deadline = clock.now + absl::Seconds(2);
    ASSERT_OK(engine.Add(request));
  }
  for (int step = 0; step < 3; ++step) {
    ASSERT_OK_AND_ASSIGN(const auto results, engine.Step());
    EXPECT_THAT(results, IsEmpty());
  }
  EXPECT_EQ(clock.num_asked, 3);

  clock.now += absl::Seconds(2);
  ASSERT_OK_AND_ASSIGN(const std::vector<EngineResult> results, engine.Step());

  // The third one still waited for a place.
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(results[0].id, 1u);
  EXPECT_EQ(results[0].finish_reason, v1::FINISH_REASON_DEADLINE);
  const EngineResult whole = SampleAlone(TinyPolicy(1), Request(10));
  EXPECT_THAT(results[0].token_ids,
              ElementsAreArray(whole.token_ids.data(), 3));
  EXPECT_EQ(results[1].id, 3u);
  EXPECT_EQ(results[1].finish_reason, v1::FINISH_REASON_DEADLINE);
  EXPECT_THAT(results[1].token_ids, IsEmpty());
  // The second one has no deadline, and is what it would have been.
  EXPECT_EQ(Drain(engine).at(2).token_ids, whole.token_ids);
}

TEST_F(EngineSamplingTest, RefusesParametersOutOfRange) {
  GenerationEngine engine(TinyPolicy(1), {});
  const auto expect = [&](const EngineRequest& request,
                          const std::string& message) {
    EXPECT_THAT(engine.Add(request),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  EngineRequest request = Request();
  request.temperature = -1;
  expect(request, "temperature: -1; wanted 0 (greedy) or more");
  request = Request();
  request.truncation.top_k = -2;
  expect(request, "top_k: -2; wanted 0 (all tokens) or more");
  request = Request();
  request.truncation.top_p = 0;
  expect(request, "top_p: 0; wanted above 0, to 1");
  request.truncation.top_p = 1.5;
  expect(request, "top_p: 1.5; wanted above 0, to 1");
  request = Request();
  request.stops.strings = {""};
  expect(request, "stop: a string of 0 bytes");
  request.stops.strings = {"x"};
  expect(request, "stop: strings cannot be found without a tokenizer");
  EXPECT_TRUE(engine.idle());
}

}  // namespace
}  // namespace rlhf
