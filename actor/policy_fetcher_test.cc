#include "actor/policy_fetcher.h"

#include <ATen/ops/allclose.h>

#include "actor/actor_fixtures.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/comm/weight_sender.h"
#include "core/comm/weight_snapshot.h"
#include "core/comm/weight_version.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// The tiny model of seed `version` in buckets of 20 kB.
std::shared_ptr<WeightSnapshot> Snapshot(int64_t version) {
  auto packed = PackWeights(
      version, MakeTinyModel(static_cast<uint64_t>(version)).parameters(),
      {.bucket_bytes = 20'000});
  RLHF_CHECK(packed.ok()) << packed.status();
  return std::const_pointer_cast<WeightSnapshot>(*packed);
}

// The same as of a learner on another machine.
std::shared_ptr<WeightSnapshot> FromAfar(int64_t version) {
  auto snapshot = Snapshot(version);
  for (v1::BucketSpec& bucket : *snapshot->manifest.mutable_buckets()) {
    bucket.clear_shared_path();
  }
  return snapshot;
}

// The same with one byte of its second bucket changed on the way.
std::shared_ptr<WeightSnapshot> Damaged(int64_t version) {
  auto snapshot = Snapshot(version);
  char* const bytes = snapshot->buckets[1].data();
  bytes[99] = static_cast<char>(bytes[99] ^ 4);
  return snapshot;
}

// Serves one snapshot, as the learner does.
class FakeWeights final : public v1::Weights::Service {
 public:
  FakeWeights() {
    auto started = WeightSender::Start("127.0.0.1", {});
    RLHF_CHECK(started.ok()) << started.status();
    sender_ = *std::move(started);
  }

  void Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
    MutexLock lock(&mutex_);
    snapshot_ = std::move(snapshot);
    sender_->Offer(WeightVersion::Of(snapshot_));
  }
  // From now on GetManifest does not wait for anything newer.
  void AnswerAtOnce() {
    MutexLock lock(&mutex_);
    at_once_ = true;
  }

  grpc::Status GetManifest(grpc::ServerContext* context,
                           const v1::GetManifestRequest* request,
                           v1::WeightManifest* response) override {
    {
      MutexLock lock(&mutex_);
      newer_than_ = request->newer_than();
      ++num_manifests_;
    }
    while (!context->IsCancelled()) {
      {
        MutexLock lock(&mutex_);
        if (snapshot_ == nullptr) return {grpc::UNAVAILABLE, "nothing yet"};
        *response = snapshot_->manifest;
        if (at_once_ || response->version() > request->newer_than()) break;
      }
      absl::SleepFor(absl::Milliseconds(1));
    }
    return grpc::Status::OK;
  }

  grpc::Status FindSource(grpc::ServerContext*,
                          const v1::FindSourceRequest* request,
                          v1::FindSourceResponse* response) override {
    MutexLock lock(&mutex_);
    if (request->num_bytes() == 0) ++num_fetches_;
    response->set_source(absl::StrCat(":", sender_->port()));
    return grpc::Status::OK;
  }

  // What the last GetManifest asked for, -2 before the first.
  int64_t newer_than() const {
    MutexLock lock(&mutex_);
    return newer_than_;
  }
  int num_manifests() const {
    MutexLock lock(&mutex_);
    return num_manifests_;
  }
  int num_fetches() const {
    MutexLock lock(&mutex_);
    return num_fetches_;
  }

 private:
  mutable Mutex mutex_;
  std::unique_ptr<WeightSender> sender_;
  std::shared_ptr<const WeightSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  bool at_once_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t newer_than_ ABSL_GUARDED_BY(mutex_) = -2;
  int num_manifests_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_fetches_ ABSL_GUARDED_BY(mutex_) = 0;
};

// It may be packed, so its weights are seen in what it computes alone.
void ExpectWeightsOf(const Transformer& model, uint64_t seed) {
  const PackedBatch batch = Pack({{5, 6, 7, 8}}, at::kCPU);
  const auto logits = [&batch](const Transformer& of) {
    return of.Logits(of.Forward(batch));
  };
  EXPECT_TRUE(
      at::allclose(logits(model), logits(MakeTinyModel(seed)), 1e-4, 1e-5));
}

class PolicyFetcherTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&weights_}));
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }
  std::unique_ptr<PolicyFetcher> MakeFetcher() {
    return std::make_unique<PolicyFetcher>(address(), MakeTinyModel(1).config(),
                                           &metrics_.series);
  }
  absl::StatusOr<PolicyVersion> Fetch(
      const std::shared_ptr<const WeightSnapshot>& snapshot,
      const ModelConfig& config) {
    weights_.Publish(snapshot);
    const auto stub = v1::Weights::NewStub(MakeChannel(address()));
    WeightStream stream(stub.get(), {.learner_host = "127.0.0.1"},
                        &metrics_.series);
    return FetchPolicy(stream, snapshot->manifest, config, absl::Seconds(10));
  }

  // Waits for a version and takes it; 0 if none comes.
  PolicyVersion TakeSoon(PolicyFetcher& fetcher) {
    std::optional<PolicyVersion> taken;
    Eventually([&] { return (taken = fetcher.Take()).has_value(); });
    return taken.value_or(PolicyVersion());
  }

  FakeWeights weights_;
  std::unique_ptr<GrpcServer> server_;
  TestMetrics metrics_;
};

TEST_F(PolicyFetcherTest, AFetchedPolicyIsThePublishedOneBitForBit) {
  ASSERT_OK_AND_ASSIGN(const PolicyVersion policy,
                       Fetch(Snapshot(5), MakeTinyModel(1).config()));
  EXPECT_EQ(policy.version, 5);
  ExpectWeightsOf(*policy.model, 5);
}

TEST_F(PolicyFetcherTest, OnOneMachineNothingIsSent) {
  ASSERT_OK(Fetch(Snapshot(5), MakeTinyModel(1).config()));
  EXPECT_EQ(weights_.num_fetches(), 0);
}

TEST_F(PolicyFetcherTest, FromAnotherMachineTheSameWeightsAreSent) {
  ASSERT_OK_AND_ASSIGN(const PolicyVersion policy,
                       Fetch(FromAfar(5), MakeTinyModel(1).config()));
  EXPECT_EQ(weights_.num_fetches(), 1);
  ExpectWeightsOf(*policy.model, 5);
}

TEST_F(PolicyFetcherTest, AMappedVersionOutlivesTheLearnersNextOne) {
  auto snapshot = Snapshot(5);
  ASSERT_OK_AND_ASSIGN(const PolicyVersion policy,
                       Fetch(snapshot, MakeTinyModel(1).config()));
  weights_.Publish(Snapshot(6));
  snapshot.reset();
  ExpectWeightsOf(*policy.model, 5);
}

TEST_F(PolicyFetcherTest, ADamagedBucketIsRefused) {
  EXPECT_THAT(Fetch(Damaged(5), MakeTinyModel(1).config()),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("weights version 5: bucket 1 of")));
}

TEST_F(PolicyFetcherTest, WeightsOfAnotherModelAreRefused) {
  ModelConfig config = MakeTinyModel(1).config();
  config.hidden_size = 64;
  EXPECT_THAT(Fetch(Snapshot(5), config),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("the learner's weights do not fit")));
}

TEST_F(PolicyFetcherTest, HandsEachVersionOverOnce) {
  weights_.Publish(Snapshot(1));
  const auto fetcher = MakeFetcher();
  const PolicyVersion first = TakeSoon(*fetcher);
  EXPECT_EQ(first.version, 1);
  EXPECT_FALSE(fetcher->Take().has_value());
  weights_.Publish(Snapshot(2));
  const PolicyVersion second = TakeSoon(*fetcher);
  EXPECT_EQ(second.version, 2);
  ExpectWeightsOf(*second.model, 2);
  ExpectWeightsOf(*first.model, 1);
  EXPECT_EQ(metrics_.series.weights_pulled.Value(), 2);
}

TEST_F(PolicyFetcherTest, ANewerVersionReplacesOneThatNobodyTook) {
  weights_.Publish(Snapshot(1));
  const auto fetcher = MakeFetcher();
  // It asks for more once it holds what was there.
  ASSERT_TRUE(Eventually([&] { return weights_.newer_than() == 1; }));
  weights_.Publish(Snapshot(4));
  ASSERT_TRUE(Eventually([&] { return weights_.newer_than() == 4; }));
  EXPECT_EQ(TakeSoon(*fetcher).version, 4);
  EXPECT_FALSE(fetcher->Take().has_value());
}

TEST_F(PolicyFetcherTest, ADamagedVersionIsNotHandedOverAndASoundOneFollows) {
  weights_.Publish(Snapshot(1));
  const auto fetcher = MakeFetcher();
  EXPECT_EQ(TakeSoon(*fetcher).version, 1);
  weights_.Publish(Damaged(2));
  ASSERT_TRUE(
      Eventually([&] { return absl::IsDataLoss(fetcher->last_status()); }));
  EXPECT_FALSE(fetcher->Take().has_value());
  EXPECT_GE(metrics_.series.weights_pulls_failed.Value(), 1);
  weights_.Publish(Snapshot(2));
  const PolicyVersion sound = TakeSoon(*fetcher);
  EXPECT_EQ(sound.version, 2);
  ExpectWeightsOf(*sound.model, 2);
}

TEST_F(PolicyFetcherTest, VersionsNeverGoBack) {
  weights_.Publish(FromAfar(3));
  const auto fetcher = MakeFetcher();
  EXPECT_EQ(TakeSoon(*fetcher).version, 3);
  // A learner that restarted at an older checkpoint.
  weights_.AnswerAtOnce();
  weights_.Publish(FromAfar(2));
  const int manifests = weights_.num_manifests();
  ASSERT_TRUE(
      Eventually([&] { return weights_.num_manifests() >= manifests + 2; }));
  EXPECT_EQ(weights_.num_fetches(), 1);
  EXPECT_FALSE(fetcher->Take().has_value());
}

TEST_F(PolicyFetcherTest, TheDestructorDoesNotSitOutTheLongPoll) {
  weights_.Publish(Snapshot(1));
  auto fetcher = MakeFetcher();
  ASSERT_TRUE(Eventually([&] { return weights_.newer_than() == 1; }));
  const Stopwatch watch;
  fetcher.reset();
  EXPECT_LT(watch.seconds(), 2);  // the poll takes 5
}

}  // namespace
}  // namespace rlhf
