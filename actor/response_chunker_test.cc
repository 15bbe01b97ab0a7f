#include "actor/response_chunker.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A response that grows.
class ResponseChunkerTest : public testing::Test {
 protected:
  void Draw(int32_t id, const std::string& bytes, int64_t version = 1) {
    result_.token_ids.push_back(id);
    result_.logprobs.push_back(-1.0F * static_cast<float>(id));
    result_.model_logprobs.push_back(-2.0F * static_cast<float>(id));
    if (result_.versions.empty() || result_.versions.back().version != version)
      result_.versions.push_back({version, 0});
    ++result_.versions.back().num_tokens;
    result_.text += bytes;
  }

  EngineResult result_;
};

TEST_F(ResponseChunkerTest, PartsHoldWhatIsNew) {
  ResponseChunker chunker({});
  Draw(1, "One");
  Draw(2, " two");
  EXPECT_TRUE(chunker.HasNews(result_));
  const v1::Response first = chunker.Next(result_);
  EXPECT_FALSE(chunker.HasNews(result_));
  EXPECT_EQ(first.text(), "One two");
  EXPECT_THAT(first.token_ids(), ElementsAre(1, 2));
  EXPECT_THAT(first.logprobs(), ElementsAre(-1, -2));
  EXPECT_THAT(first.model_logprobs(), ElementsAre(-2, -4));
  EXPECT_EQ(first.finish_reason(), v1::FINISH_REASON_UNSPECIFIED);

  Draw(3, ".", /*version=*/2);
  result_.finish_reason = v1::FINISH_REASON_STOP;
  const v1::Response last = chunker.Next(result_);
  EXPECT_EQ(last.text(), ".");
  EXPECT_THAT(last.token_ids(), ElementsAre(3));
  ASSERT_EQ(last.policy_versions_size(), 1);
  EXPECT_EQ(last.policy_versions(0).version(), 2);
  EXPECT_EQ(last.policy_versions(0).num_tokens(), 1);
  EXPECT_EQ(last.finish_reason(), v1::FINISH_REASON_STOP);
}

TEST_F(ResponseChunkerTest, CharactersComeWhole) {
  ResponseChunker chunker({});
  Draw(1, "a\xE2\x82");
  EXPECT_EQ(chunker.Next(result_).text(), "a");
  Draw(2, "\xAC!");
  EXPECT_EQ(chunker.Next(result_).text(), "\xE2\x82\xAC!");
  // One that is never completed comes at the end, as what it is.
  Draw(3, "\xF0\x9F");
  EXPECT_EQ(chunker.Next(result_).text(), "");
  result_.finish_reason = v1::FINISH_REASON_LENGTH;
  EXPECT_EQ(chunker.Next(result_).text(), "\xEF\xBF\xBD");
}

TEST_F(ResponseChunkerTest, WhatMayBecomeAStopStringIsHeldBack) {
  ResponseChunker chunker({"\n\nHuman:"});
  Draw(1, "Yes.\n");
  EXPECT_EQ(chunker.Next(result_).text(), "Yes.");
  Draw(2, "\nHu");
  EXPECT_EQ(chunker.Next(result_).text(), "");
  // It does not.
  Draw(3, "ge");
  EXPECT_EQ(chunker.Next(result_).text(), "\n\nHuge");
  Draw(4, "\n\nHuman");
  EXPECT_EQ(chunker.Next(result_).text(), "");
  // It does: the engine cuts the text.
  Draw(5, "");
  result_.text.resize(result_.text.size() - 7);
  result_.finish_reason = v1::FINISH_REASON_STOP_STRING;
  const v1::Response last = chunker.Next(result_);
  EXPECT_EQ(last.text(), "");
  EXPECT_THAT(last.token_ids(), ElementsAre(5));
}

TEST_F(ResponseChunkerTest, PartsMakeTheWholeWhereverTheyAreCut) {
  const std::string bytes[] = {"a",        "\xC3",     "\xA9", "\xF0", "b",
                               "\xE2\x82", "\x80\x80", "\xFF", "stop", "\xE2"};
  for (int cuts = 0; cuts < 1024; ++cuts) {
    result_ = EngineResult();
    ResponseChunker chunker({"stopper"}), one_chunk({});
    v1::Response whole;
    for (int i = 0; i < 10; ++i) {
      Draw(i, bytes[i], /*version=*/i / 4);
      if ((cuts >> i) % 2 == 1) AppendPart(chunker.Next(result_), whole);
    }
    result_.finish_reason = v1::FINISH_REASON_LENGTH;
    AppendPart(chunker.Next(result_), whole);
    EXPECT_EQ(whole.SerializeAsString(),
              one_chunk.Next(result_).SerializeAsString())
        << cuts;
  }
}

TEST_F(ResponseChunkerTest, AResponseWithoutTokensIsAPartToo) {
  result_.finish_reason = v1::FINISH_REASON_DEADLINE;
  const v1::Response part = ResponseChunker({}).Next(result_);
  EXPECT_EQ(part.finish_reason(), v1::FINISH_REASON_DEADLINE);
  EXPECT_THAT(part.token_ids(), IsEmpty());
}

}  // namespace
}  // namespace rlhf
