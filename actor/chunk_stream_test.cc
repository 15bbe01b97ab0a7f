#include "actor/chunk_stream.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

v1::GenerateChunk Chunk(int sample) {
  v1::GenerateChunk chunk;
  chunk.set_sample(sample);
  return chunk;
}

TEST(ChunkStreamTest, GivesChunksInOrderAndThenTheEnd) {
  ChunkStream stream(4);
  stream.Push(Chunk(1));
  stream.Push(Chunk(2));
  stream.Finish(absl::InternalError("broken"));
  stream.Finish(absl::OkStatus());  // the first one counts
  EXPECT_EQ(stream.end(), std::nullopt);
  EXPECT_EQ(stream.Next(absl::ZeroDuration())->sample(), 1);
  EXPECT_EQ(stream.Next(absl::ZeroDuration())->sample(), 2);
  EXPECT_FALSE(stream.Next(absl::Seconds(60)).has_value());
  ASSERT_TRUE(stream.end().has_value());
  EXPECT_THAT(*stream.end(), StatusIs(absl::StatusCode::kInternal, "broken"));
}

TEST(ChunkStreamTest, SaysWhetherThereIsRoom) {
  ChunkStream stream(1);
  EXPECT_TRUE(stream.has_room());
  stream.Push(Chunk(1));
  EXPECT_FALSE(stream.has_room());
  EXPECT_TRUE(stream.Next(absl::ZeroDuration()).has_value());
  EXPECT_TRUE(stream.has_room());
}

TEST(ChunkStreamTest, AReaderThatWaitsIsWoken) {
  ChunkStream stream(1);
  std::jthread writer([&] {
    stream.Push(Chunk(3));
    stream.Finish(absl::OkStatus());
  });
  EXPECT_EQ(stream.Next(absl::Seconds(60))->sample(), 3);
  EXPECT_FALSE(stream.Next(absl::Seconds(60)).has_value());
  EXPECT_OK(*stream.end());
}

TEST(ChunkStreamTest, TellsTheWriterThatTheReaderLeft) {
  ChunkStream stream(1);
  EXPECT_FALSE(stream.cancelled());
  stream.Cancel();
  EXPECT_TRUE(stream.cancelled());
}

}  // namespace
}  // namespace rlhf
