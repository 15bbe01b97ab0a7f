#include "core/comm/weight_version.h"

#include <ATen/ops/equal.h>

#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "core/base/hash.h"
#include "core/comm/weight_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::vector<std::string> Bytes(const WeightSnapshot& snapshot) {
  std::vector<std::string> buckets;
  for (const SharedMemory& bucket : snapshot.buckets) {
    buckets.emplace_back(bucket.bytes());
  }
  return buckets;
}

// Receives one bucket.
absl::Status Deliver(WeightVersion& version, const std::string& bytes) {
  const absl::StatusOr<char*> data = version.NextBucket();
  if (!data.ok()) return data.status();
  std::memcpy(*data, bytes.data(), bytes.size());
  return version.Prove(Xxh3(bytes));
}

void ExpectFourWeights(const WeightVersion& version) {
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, version.Tensors());
  const NamedTensors expected = FourWeights();
  ASSERT_EQ(tensors.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(tensors[i].name, expected[i].name);
    EXPECT_TRUE(at::equal(tensors[i].tensor, expected[i].tensor));
  }
}

absl::Status CreateStatus(const v1::WeightManifest& manifest) {
  return WeightVersion::Create(manifest).status();
}

TEST(WeightVersionTest, TensorsComeBackBitForBit) {
  const auto snapshot = PackFour();
  const auto version = NothingOf(snapshot);
  for (const std::string& bytes : Bytes(*snapshot)) {
    ASSERT_OK(Deliver(*version, bytes));
  }
  ExpectFourWeights(*version);
}

TEST(WeightVersionTest, TensorsOutliveTheVersion) {
  auto version = WeightVersion::Of(PackFour());
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, version->Tensors());
  version.reset();
  EXPECT_TRUE(at::equal(tensors[2].tensor, FourWeights()[2].tensor));
}

TEST(WeightVersionTest, OnOneMachineBucketsAreMapped) {
  const auto snapshot = PackFour();
  const auto version = NothingOf(snapshot);
  ASSERT_TRUE(version->MapBuckets());
  ExpectFourWeights(*version);
}

TEST(WeightVersionTest, WhatIsNotTheLearnersMemoryIsNotTaken) {
  v1::WeightManifest manifest = PackFour()->manifest;
  const auto other = Pack(8, {{"x", at::arange(10.0f)}});
  manifest.mutable_buckets(1)->set_shared_path(other->buckets[0].path());
  ASSERT_OK_AND_ASSIGN(const auto version, WeightVersion::Create(manifest));
  EXPECT_FALSE(version->MapBuckets());
  EXPECT_EQ(version->num_proven(), 0);
}

TEST(WeightVersionTest, OneFlippedBitIsRefusedAndItsBucketNamed) {
  const auto snapshot = PackFour();
  std::vector<std::string> buckets = Bytes(*snapshot);
  const auto version = NothingOf(snapshot);
  ASSERT_OK(Deliver(*version, buckets[0]));
  buckets[1][17] = static_cast<char>(buckets[1][17] ^ 1);
  EXPECT_THAT(
      Deliver(*version, buckets[1]),
      StatusIs(StatusCode::kDataLoss,
               HasSubstr("weights version 7: bucket 1 of 3 arrived damaged")));
  EXPECT_EQ(version->num_proven(), 1);
  // The same bucket once more, as it should be.
  ASSERT_OK(Deliver(*version, Bytes(*snapshot)[1]));
  ASSERT_OK(Deliver(*version, Bytes(*snapshot)[2]));
  ExpectFourWeights(*version);
}

TEST(WeightVersionTest, WhatIsNotWholeHasNoTensors) {
  const auto snapshot = PackFour();
  const auto version = NothingOf(snapshot);
  ASSERT_OK(Deliver(*version, Bytes(*snapshot)[0]));
  EXPECT_EQ(version->proven_bytes(), 28u);
  EXPECT_EQ(version->total_bytes(), 68u);
  EXPECT_THAT(
      version->Tensors(),
      StatusIs(StatusCode::kDataLoss, HasSubstr("1 of 3 buckets are here")));
}

TEST(WeightVersionTest, ABucketIsThereForOthersOnceItIsProven) {
  const auto snapshot = PackFour();
  const auto version = NothingOf(snapshot);
  EXPECT_EQ(version->Await(0, absl::Milliseconds(1)), nullptr);
  std::shared_ptr<const SharedMemory> got;
  std::thread waiting([&] { got = version->Await(0, absl::Seconds(10)); });
  const absl::Status delivered = Deliver(*version, Bytes(*snapshot)[0]);
  waiting.join();
  ASSERT_OK(delivered);
  ASSERT_NE(got, nullptr);
  EXPECT_EQ(got->bytes(), snapshot->buckets[0].bytes());
}

TEST(WeightVersionTest, RefusesAManifestThatIsNotWhatItsChecksumSays) {
  v1::WeightManifest manifest = PackFour()->manifest;
  manifest.mutable_buckets(1)->set_xxh3(1);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("manifest of weights version 7")));
}

TEST(WeightVersionTest, RefusesATensorOutsideItsBucket) {
  v1::WeightManifest manifest = PackFour()->manifest;
  manifest.mutable_tensors(2)->set_offset(4);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"large\" lies outside its bucket")));
  manifest = PackFour()->manifest;
  manifest.mutable_tensors(0)->set_bucket(-1);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" lies outside its bucket")));
}

TEST(WeightVersionTest, RefusesATensorBetweenTwoNumbers) {
  v1::WeightManifest manifest = PackFour()->manifest;
  manifest.mutable_tensors(1)->set_offset(22);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("scalar")));
}

TEST(WeightVersionTest, RefusesAbsurdSizesBeforeAnythingIsAllocated) {
  v1::WeightManifest manifest = PackFour()->manifest;
  manifest.mutable_tensors(0)->set_shape(0, int64_t{1} << 62);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" has an absurd shape")));
  manifest.mutable_tensors(0)->set_shape(0, -1);
  EXPECT_THAT(CreateStatus(manifest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("\"first\" has an absurd shape")));
  manifest = PackFour()->manifest;
  manifest.mutable_buckets(0)->set_num_bytes(
      std::numeric_limits<uint64_t>::max());
  EXPECT_THAT(CreateStatus(manifest), StatusIs(StatusCode::kInvalidArgument,
                                               HasSubstr("more than we take")));
}

TEST(WeightVersionTest, RefusesADtypeItDoesNotSpeak) {
  v1::WeightManifest manifest = PackFour()->manifest;
  manifest.mutable_tensors(1)->set_dtype("F16");
  EXPECT_THAT(
      CreateStatus(manifest),
      StatusIs(StatusCode::kInvalidArgument,
               HasSubstr("\"scalar\" has dtype F16; wanted F32 or BF16")));
}

}  // namespace
}  // namespace rlhf
