#include "actor/weight_stream.h"

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "actor/actor_fixtures.h"
#include "core/base/clock.h"
#include "core/comm/feed_tree.h"
#include "core/comm/weight_fixtures.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::Contains;
using testing::HasSubstr;

constexpr int kBuckets = 6;
constexpr int64_t kBucketBytes = 40'000;

// A learner that sends and says who may receive from where, or says what it is
// told to say.
class FakeLearner final : public v1::Weights::Service {
 public:
  FakeLearner() {
    auto started = WeightSender::Start("127.0.0.1", {});
    RLHF_CHECK(started.ok()) << started.status();
    sender_ = *std::move(started);
  }

  void Publish(const std::shared_ptr<const WeightSnapshot>& snapshot) {
    MutexLock lock(&mutex_);
    version_ = snapshot->manifest.version();
    tree_.Begin(snapshot->manifest.buckets_size());
    sender_->Offer(WeightVersion::Of(snapshot));
  }
  // The next one that has nothing yet is sent to `source`.
  void SendNextTo(const std::string& source) {
    MutexLock lock(&mutex_);
    send_to_ = source;
  }
  // Fails the next call that says that a source failed.
  void BeAwayOnce() {
    MutexLock lock(&mutex_);
    away_ = true;
  }
  // What receivers said of themselves, by their address.
  std::map<std::string, v1::FindSourceRequest> reports() const {
    MutexLock lock(&mutex_);
    return reports_;
  }
  std::set<std::string> failed() const {
    MutexLock lock(&mutex_);
    return failed_;
  }

  grpc::Status FindSource(grpc::ServerContext*,
                          const v1::FindSourceRequest* request,
                          v1::FindSourceResponse* response) override {
    MutexLock lock(&mutex_);
    if (request->version() != version_) {
      return {grpc::NOT_FOUND, "not the newest"};
    }
    reports_[request->address()] = *request;
    if (!request->failed_source().empty()) {
      if (std::exchange(away_, false)) return {grpc::UNAVAILABLE, "away"};
      failed_.insert(request->failed_source());
    }
    if (!send_to_.empty() && request->num_bytes() == 0) {
      response->set_source(std::exchange(send_to_, ""));
      return grpc::Status::OK;
    }
    const std::string source =
        tree_.Report({.receiver = request->receiver(),
                      .address = request->address(),
                      .num_buckets = request->num_buckets(),
                      .num_bytes = request->num_bytes(),
                      .failed_source = request->failed_source()},
                     MonotonicNow());
    response->set_source(source.empty() ? absl::StrCat(":", sender_->port())
                                        : source);
    return grpc::Status::OK;
  }

 private:
  mutable Mutex mutex_;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = -1;
  FeedTree tree_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<WeightSender> sender_;
  std::string send_to_ ABSL_GUARDED_BY(mutex_);
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, v1::FindSourceRequest> reports_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> failed_ ABSL_GUARDED_BY(mutex_);
};

class WeightStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&learner_}));
    stub_ = v1::Weights::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  std::unique_ptr<WeightStream> MakeStream(
      absl::Duration linger = absl::Seconds(15),
      const WeightStream::Relay& relay = {.host = "127.0.0.1"}) {
    return std::make_unique<WeightStream>(
        stub_.get(),
        WeightStream::Options{.learner_host = "127.0.0.1",
                              .relay = relay,
                              .stall = absl::Seconds(1),
                              .linger = linger},
        &metrics_.series);
  }
  static absl::StatusOr<std::shared_ptr<WeightVersion>> Receive(
      WeightStream& stream,
      const std::shared_ptr<const WeightSnapshot>& snapshot,
      absl::Duration timeout = absl::Seconds(20),
      const std::stop_token& stop = {}) {
    return stream.Receive(NothingOf(snapshot), timeout, stop);
  }
  // Where the only receiver so far sends on what it has.
  std::string OnlyAddress() const {
    const auto reports = learner_.reports();
    return reports.size() == 1 ? reports.begin()->first : "";
  }

  FakeLearner learner_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Weights::Stub> stub_;
  TestMetrics metrics_;
  const std::shared_ptr<const WeightSnapshot> snapshot_ =
      PackMany(1, kBuckets, kBucketBytes);
};

TEST_F(WeightStreamTest, AVersionComesFromTheLearner) {
  learner_.Publish(snapshot_);
  const auto stream = MakeStream();
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
  EXPECT_EQ(metrics_.series.weights_from_learner_bytes.Value(),
            kBuckets * kBucketBytes);
  EXPECT_EQ(metrics_.series.weights_sources_failed.Value(), 0);
  // The learner knows that it may send others here.
  EXPECT_EQ(learner_.reports().at(OnlyAddress()).num_buckets(), kBuckets);
}

TEST_F(WeightStreamTest, AnotherComesFromAnActorThatHasIt) {
  learner_.Publish(snapshot_);
  const auto first = MakeStream();
  ASSERT_OK(Receive(*first, snapshot_));
  learner_.SendNextTo(OnlyAddress());
  const auto second = MakeStream();
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*second, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
  EXPECT_EQ(metrics_.series.weights_from_actors_bytes.Value(),
            kBuckets * kBucketBytes);
}

TEST_F(WeightStreamTest, SendsOnFromThePortThatItIsTold) {
  learner_.Publish(snapshot_);
  const int port = FreePorts(1)[0];
  const auto stream = MakeStream(absl::Seconds(15), {"127.0.0.1", port});
  ASSERT_OK(Receive(*stream, snapshot_));
  EXPECT_EQ(OnlyAddress(), absl::StrCat("127.0.0.1:", port));
}

// Behind a proxy on its own machine it would tell the others to receive from
// themselves.
TEST_F(WeightStreamTest, WhoReachesTheLearnerByLoopbackSendsNothingOn) {
  learner_.Publish(snapshot_);
  for (const char* host : {"", "0.0.0.0"}) {
    const auto stream = MakeStream(absl::Seconds(15), {.host = host});
    ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
    EXPECT_TRUE(IsWhole(*version, *snapshot_));
    EXPECT_EQ(OnlyAddress(), "") << host;
  }
}

TEST_F(WeightStreamTest, ATakenPortKeepsItFromSendingOnUntilItIsFree) {
  ASSERT_OK_AND_ASSIGN(auto taken, WeightSender::Start("127.0.0.1", {}));
  const int port = taken->port();
  const auto stream = MakeStream(absl::Seconds(15), {"127.0.0.1", port});
  learner_.Publish(snapshot_);
  ASSERT_OK(Receive(*stream, snapshot_));
  EXPECT_EQ(OnlyAddress(), "");
  taken.reset();
  const auto next = PackMany(2, kBuckets, kBucketBytes);
  learner_.Publish(next);
  ASSERT_OK(Receive(*stream, next));
  EXPECT_EQ(learner_.reports().count(absl::StrCat("127.0.0.1:", port)), 1);
}

TEST_F(WeightStreamTest, ManyAtOnceReceiveTheSame) {
  learner_.Publish(snapshot_);
  std::vector<std::unique_ptr<WeightStream>> streams;
  std::vector<absl::StatusOr<std::shared_ptr<WeightVersion>>> received(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < received.size(); ++i) {
    streams.push_back(MakeStream());
    threads.emplace_back(
        [this, stream = streams.back().get(), &result = received[i]] {
          result = Receive(*stream, snapshot_);
        });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& version : received) {
    ASSERT_OK(version);
    EXPECT_TRUE(IsWhole(**version, *snapshot_));
  }
}

TEST_F(WeightStreamTest, ADeadRelayIsLeftForAnotherSource) {
  learner_.Publish(snapshot_);
  auto dead = MakeStream();
  ASSERT_OK(Receive(*dead, snapshot_));
  const std::string address = OnlyAddress();
  dead.reset();
  learner_.SendNextTo(address);
  const auto stream = MakeStream();
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
  EXPECT_THAT(learner_.failed(), Contains(address));
  EXPECT_EQ(metrics_.series.weights_sources_failed.Value(), 1);
}

TEST_F(WeightStreamTest, DamageFromARelayIsFetchedAgainFromElsewhere) {
  learner_.Publish(snapshot_);
  ASSERT_OK_AND_ASSIGN(const auto liar, WeightSender::Start("127.0.0.1", {}));
  liar->Offer(
      WeightVersion::Of(Damage(PackMany(1, kBuckets, kBucketBytes), 3)));
  learner_.SendNextTo(absl::StrCat("127.0.0.1:", liar->port()));
  const auto stream = MakeStream();
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
  // Three sound buckets of the liar counted.
  EXPECT_EQ(metrics_.series.weights_from_actors_bytes.Value(),
            3 * kBucketBytes);
  EXPECT_EQ(metrics_.series.weights_from_learner_bytes.Value(),
            3 * kBucketBytes);
}

TEST_F(WeightStreamTest, ARelayThatStandsStillIsLeftForAnotherSource) {
  learner_.Publish(snapshot_);
  ASSERT_OK_AND_ASSIGN(const auto idle, WeightSender::Start("127.0.0.1", {}));
  idle->Offer(NothingOf(snapshot_));
  learner_.SendNextTo(absl::StrCat("127.0.0.1:", idle->port()));
  const auto stream = MakeStream();
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
}

TEST_F(WeightStreamTest, AReplacedVersionIsNotFoundAndTheNextOneComes) {
  learner_.Publish(snapshot_);
  const auto next = PackMany(2, kBuckets, kBucketBytes);
  learner_.Publish(next);
  const auto stream = MakeStream();
  EXPECT_THAT(Receive(*stream, snapshot_),
              StatusIs(StatusCode::kNotFound, HasSubstr("not the newest")));
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, next));
  EXPECT_TRUE(IsWhole(*version, *next));
}

TEST_F(WeightStreamTest, WhatAFailedCallHadProvenCountsInTheNext) {
  learner_.Publish(snapshot_);
  ASSERT_OK_AND_ASSIGN(const auto half, WeightSender::Start("127.0.0.1", {}));
  half->Offer(
      WeightVersion::Of(Damage(PackMany(1, kBuckets, kBucketBytes), 4)));
  learner_.SendNextTo(absl::StrCat("127.0.0.1:", half->port()));
  learner_.BeAwayOnce();
  const auto stream = MakeStream();
  EXPECT_THAT(Receive(*stream, snapshot_),
              StatusIs(StatusCode::kUnavailable, HasSubstr("away")));
  ASSERT_OK_AND_ASSIGN(const auto version, Receive(*stream, snapshot_));
  EXPECT_TRUE(IsWhole(*version, *snapshot_));
  EXPECT_EQ(metrics_.series.weights_from_actors_bytes.Value(),
            4 * kBucketBytes);
  EXPECT_EQ(metrics_.series.weights_from_learner_bytes.Value(),
            (kBuckets - 4) * kBucketBytes);
}

TEST_F(WeightStreamTest, DamageFromTheLearnerItselfIsReported) {
  learner_.Publish(Damage(PackMany(1, kBuckets, kBucketBytes), 2));
  const auto stream = MakeStream();
  EXPECT_THAT(Receive(*stream, snapshot_),
              StatusIs(StatusCode::kDataLoss, HasSubstr("bucket 2 of 6")));
}

TEST_F(WeightStreamTest, EndsWhenAskedToOrOutOfTime) {
  learner_.Publish(snapshot_);
  const auto stream = MakeStream();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Receive(*stream, snapshot_, absl::Seconds(20), stop.get_token()),
              StatusIs(StatusCode::kCancelled, HasSubstr("stopped")));
  EXPECT_THAT(Receive(*stream, snapshot_, -absl::Seconds(1)),
              StatusIs(StatusCode::kDeadlineExceeded,
                       HasSubstr("did not arrive in time")));
}

TEST_F(WeightStreamTest, BucketsAreLetGoOfInTime) {
  learner_.Publish(snapshot_);
  const auto stream = MakeStream(/*linger=*/absl::ZeroDuration());
  ASSERT_OK_AND_ASSIGN(auto version, Receive(*stream, snapshot_));
  const std::weak_ptr<WeightVersion> watched = version;
  version.reset();
  EXPECT_FALSE(watched.expired());
  ASSERT_TRUE(Eventually([&] {
    stream->LetGo();
    return watched.expired();
  }));
  stream->LetGo();  // nothing is left to let go of
}

}  // namespace
}  // namespace rlhf
