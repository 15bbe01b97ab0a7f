#include "core/comm/weight_snapshot.h"

#include <ATen/ops/equal.h>

#include "core/comm/weight_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

absl::StatusOr<NamedTensors> TensorsOf(
    const std::shared_ptr<const WeightSnapshot>& snapshot) {
  return WeightVersion::Of(snapshot)->Tensors();
}

TEST(WeightSnapshotTest, FillsBucketsWithoutCuttingATensor) {
  const auto snapshot = PackFour();
  EXPECT_EQ(snapshot->manifest.version(), 7);
  ASSERT_EQ(snapshot->buckets.size(), 3u);
  EXPECT_EQ(snapshot->buckets[0].size(), 28u);
  EXPECT_EQ(snapshot->buckets[1].size(), 40u);
  EXPECT_EQ(snapshot->manifest.tensors(1).bucket(), 0);
  EXPECT_EQ(snapshot->manifest.tensors(1).offset(), 24u);
  EXPECT_EQ(snapshot->manifest.tensors(2).bucket(), 1);
}

TEST(WeightSnapshotTest, IsACopyThatLaterUpdatesDoNotChange) {
  const NamedTensors weights = FourWeights();
  const auto snapshot = Pack(1, weights);
  weights[0].tensor.zero_();
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, TensorsOf(snapshot));
  EXPECT_TRUE(at::equal(tensors[0].tensor, FourWeights()[0].tensor));
}

TEST(WeightSnapshotTest, Bfloat16TakesHalfTheBytes) {
  const auto snapshot =
      Pack(1, FourWeights(), {.dtype = at::kBFloat16, .bucket_bytes = 32});
  EXPECT_EQ(snapshot->buckets[0].size(), 14u);
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, TensorsOf(snapshot));
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(tensors[i].tensor,
                          FourWeights()[i].tensor.to(at::kBFloat16)));
  }
}

TEST(WeightSnapshotTest, PacksAViewInItsOwnOrder) {
  const at::Tensor view = at::arange(6.0f).view({2, 3}).t();
  const auto snapshot = Pack(1, {{"view", view}});
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, TensorsOf(snapshot));
  EXPECT_TRUE(at::equal(tensors[0].tensor, view));
}

TEST(WeightSnapshotTest, TheManifestsChecksumCoversAllButThePaths) {
  v1::WeightManifest manifest = PackFour()->manifest;
  EXPECT_EQ(manifest.xxh3(), ManifestXxh3(manifest));
  manifest.mutable_buckets(0)->set_shared_path("/elsewhere");
  EXPECT_EQ(manifest.xxh3(), ManifestXxh3(manifest));
  const auto changed = [&manifest](const auto& change) {
    v1::WeightManifest other = manifest;
    change(other);
    return ManifestXxh3(other) != manifest.xxh3();
  };
  EXPECT_TRUE(changed([](auto& m) { m.set_version(8); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_buckets(1)->set_xxh3(1); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_buckets(1)->set_num_bytes(1); }));
  EXPECT_TRUE(
      changed([](auto& m) { m.mutable_buckets()->SwapElements(0, 1); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_tensors(0)->set_name("x"); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_tensors(0)->set_shape(0, 1); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_tensors(1)->set_offset(0); }));
  EXPECT_TRUE(changed([](auto& m) { m.mutable_tensors(1)->set_bucket(1); }));
  EXPECT_TRUE(
      changed([](auto& m) { m.mutable_tensors(1)->set_dtype("BF16"); }));
}

}  // namespace
}  // namespace rlhf
