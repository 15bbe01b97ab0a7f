#include "core/comm/weight_snapshot.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <limits>

#include "core/base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

// 24, 4, 40 and 0 bytes: of buckets of 32 bytes the first holds two of them,
// the second is outgrown by the third tensor, and the empty one opens another.
NamedTensors Weights() {
  return {{"first", at::arange(6.0f).view({2, 3})},
          {"scalar", at::arange(1.0f).add(0.5).squeeze()},
          {"large", at::arange(10.0f).mul(-1.25)},
          {"empty", at::arange(0.0f).view({0, 4})}};
}

std::shared_ptr<const WeightSnapshot> Pack(int64_t version,
                                           const NamedTensors& tensors,
                                           const PackOptions& options = {}) {
  auto snapshot = PackWeights(version, tensors, options);
  RLHF_CHECK(snapshot.ok()) << snapshot.status();
  return *snapshot;
}

std::shared_ptr<const WeightSnapshot> Packed() {
  return Pack(/*version=*/7, Weights(), {.bucket_bytes = 32});
}

std::vector<std::string> Bytes(const WeightSnapshot& snapshot) {
  std::vector<std::string> buckets;
  for (const SharedMemory& bucket : snapshot.buckets) {
    buckets.emplace_back(bucket.bytes());
  }
  return buckets;
}

// The bytes of `buckets` in chunks of `chunk_bytes`, to an assembler of
// `manifest`.
absl::StatusOr<NamedTensors> Deliver(const v1::WeightManifest& manifest,
                                     const std::vector<std::string>& buckets,
                                     size_t chunk_bytes = 9) {
  auto assembler = WeightAssembler::Create(manifest);
  if (!assembler.ok()) return assembler.status();
  for (size_t b = 0; b < buckets.size(); ++b) {
    for (size_t at = 0; at < buckets[b].size(); at += chunk_bytes) {
      v1::WeightChunk chunk;
      chunk.set_bucket(static_cast<int32_t>(b));
      chunk.set_offset(at);
      chunk.set_data(buckets[b].substr(at, chunk_bytes));
      const absl::Status added = assembler->Add(chunk);
      if (!added.ok()) return added;
    }
  }
  return assembler->Finish();
}

absl::Status CreateStatus(const v1::WeightManifest& manifest) {
  return WeightAssembler::Create(manifest).status();
}

TEST(WeightSnapshotTest, TensorsComeBackBitForBit) {
  const auto snapshot = Packed();
  for (const size_t chunk_bytes : {1, 9, 1000}) {
    ASSERT_OK_AND_ASSIGN(
        const NamedTensors tensors,
        Deliver(snapshot->manifest, Bytes(*snapshot), chunk_bytes));
    const NamedTensors expected = Weights();
    ASSERT_EQ(tensors.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(tensors[i].name, expected[i].name);
      EXPECT_TRUE(at::equal(tensors[i].tensor, expected[i].tensor));
    }
  }
}

TEST(WeightSnapshotTest, FillsBucketsWithoutCuttingATensor) {
  const auto snapshot = Packed();
  EXPECT_EQ(snapshot->manifest.version(), 7);
  ASSERT_EQ(snapshot->buckets.size(), 3u);
  EXPECT_EQ(snapshot->buckets[0].size(), 28u);
  EXPECT_EQ(snapshot->buckets[1].size(), 40u);
  EXPECT_EQ(snapshot->manifest.tensors(1).bucket(), 0);
  EXPECT_EQ(snapshot->manifest.tensors(1).offset(), 24u);
  EXPECT_EQ(snapshot->manifest.tensors(2).bucket(), 1);
}

TEST(WeightSnapshotTest, IsACopyThatLaterUpdatesDoNotChange) {
  const NamedTensors weights = Weights();
  const auto snapshot = Pack(1, weights);
  weights[0].tensor.zero_();
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors,
                       Deliver(snapshot->manifest, Bytes(*snapshot)));
  EXPECT_TRUE(at::equal(tensors[0].tensor, Weights()[0].tensor));
}

TEST(WeightSnapshotTest, Bfloat16TakesHalfTheBytes) {
  const auto snapshot =
      Pack(1, Weights(), {.dtype = at::kBFloat16, .bucket_bytes = 32});
  EXPECT_EQ(snapshot->buckets[0].size(), 14u);
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors,
                       Deliver(snapshot->manifest, Bytes(*snapshot)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(
        at::equal(tensors[i].tensor, Weights()[i].tensor.to(at::kBFloat16)));
  }
}

TEST(WeightSnapshotTest, OnOneMachineBucketsAreMapped) {
  const auto snapshot = Packed();
  ASSERT_OK_AND_ASSIGN(WeightAssembler assembler,
                       WeightAssembler::Create(snapshot->manifest));
  ASSERT_TRUE(assembler.MapBuckets());
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, assembler.Finish());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(tensors[i].tensor, Weights()[i].tensor));
  }
}

TEST(WeightSnapshotTest, WhatIsNotTheLearnersMemoryIsNotTaken) {
  v1::WeightManifest manifest = Packed()->manifest;
  const auto other = Pack(8, {{"x", at::arange(10.0f)}});
  manifest.mutable_buckets(1)->set_shared_path(other->buckets[0].path());
  ASSERT_OK_AND_ASSIGN(WeightAssembler assembler,
                       WeightAssembler::Create(manifest));
  EXPECT_FALSE(assembler.MapBuckets());
}

TEST(WeightSnapshotTest, PacksAViewInItsOwnOrder) {
  const at::Tensor view = at::arange(6.0f).view({2, 3}).t();
  const auto snapshot = Pack(1, {{"view", view}});
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors,
                       Deliver(snapshot->manifest, Bytes(*snapshot)));
  EXPECT_TRUE(at::equal(tensors[0].tensor, view));
}

TEST(WeightSnapshotTest, OneFlippedBitIsRefusedAndItsBucketNamed) {
  const auto snapshot = Packed();
  std::vector<std::string> buckets = Bytes(*snapshot);
  buckets[1][17] = static_cast<char>(buckets[1][17] ^ 1);
  EXPECT_THAT(Deliver(snapshot->manifest, buckets),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr("weights version 7: bucket 1 of 3"),
                             HasSubstr("damaged or cut (40 of 40 bytes)"))));
}

TEST(WeightSnapshotTest, MissingBytesAreRefusedAndCounted) {
  const auto snapshot = Packed();
  std::vector<std::string> buckets = Bytes(*snapshot);
  buckets[0].resize(20);
  EXPECT_THAT(
      Deliver(snapshot->manifest, buckets),
      StatusIs(StatusCode::kDataLoss,
               AllOf(HasSubstr("bucket 0 of 3"), HasSubstr("20 of 28 bytes"))));
}

TEST(WeightSnapshotTest, RefusesAChunkOutOfPlace) {
  ASSERT_OK_AND_ASSIGN(WeightAssembler assembler,
                       WeightAssembler::Create(Packed()->manifest));
  v1::WeightChunk chunk;
  chunk.set_bucket(3);
  EXPECT_THAT(assembler.Add(chunk),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("chunk of unknown bucket 3")));
  chunk.set_bucket(0);
  chunk.set_offset(4);  // bytes 0 to 3 did not come yet
  chunk.set_data("abcd");
  EXPECT_THAT(assembler.Add(chunk),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("chunk at 4 of bucket 0 is out of place; "
                                 "wanted offset 0 of 28")));
  chunk.set_offset(0);
  chunk.set_data(std::string(29, 'x'));  // one byte too many
  EXPECT_THAT(assembler.Add(chunk), StatusIs(StatusCode::kInvalidArgument,
                                             HasSubstr("out of place")));
}

TEST(WeightSnapshotTest, RefusesATensorOutsideItsBucket) {
  v1::WeightManifest manifest = Packed()->manifest;
  manifest.mutable_tensors(2)->set_offset(4);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"large\" lies outside its bucket")));
  manifest = Packed()->manifest;
  manifest.mutable_tensors(0)->set_bucket(-1);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" lies outside its bucket")));
}

TEST(WeightSnapshotTest, RefusesATensorBetweenTwoNumbers) {
  v1::WeightManifest manifest = Packed()->manifest;
  manifest.mutable_tensors(1)->set_offset(22);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("scalar")));
}

TEST(WeightSnapshotTest, RefusesAbsurdSizesBeforeAnythingIsAllocated) {
  v1::WeightManifest manifest = Packed()->manifest;
  manifest.mutable_tensors(0)->set_shape(0, int64_t{1} << 62);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" has an absurd shape")));
  manifest.mutable_tensors(0)->set_shape(0, -1);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" has an absurd shape")));
  manifest = Packed()->manifest;
  manifest.mutable_buckets(0)->set_num_bytes(
      std::numeric_limits<uint64_t>::max());
  EXPECT_THAT(CreateStatus(manifest), StatusIs(StatusCode::kInvalidArgument,
                                               HasSubstr("more than we take")));
}

TEST(WeightSnapshotTest, RefusesADtypeItDoesNotSpeak) {
  v1::WeightManifest manifest = Packed()->manifest;
  manifest.mutable_tensors(1)->set_dtype("F16");
  EXPECT_THAT(
      CreateStatus(manifest),
      StatusIs(StatusCode::kInvalidArgument,
               HasSubstr("\"scalar\" has dtype F16; wanted F32 or BF16")));
}

}  // namespace
}  // namespace rlhf
