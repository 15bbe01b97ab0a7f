#include "trainer/weights_service.h"

#include <atomic>

#include "absl/strings/str_cat.h"
#include "core/comm/weight_fixtures.h"
#include "core/comm/weight_receiver.h"
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
using testing::HasSubstr;
using testing::StartsWith;

class WeightsServiceTest : public testing::Test {
 protected:
  void Listen() {
    ASSERT_OK(service_.Listen(
        "127.0.0.1", {.on_sent = [this](uint64_t bytes) { sent_ += bytes; }}));
  }
  absl::StatusOr<std::string> FindSource(const std::string& receiver,
                                         int64_t version) {
    v1::FindSourceRequest request;
    request.set_receiver(receiver);
    request.set_address(receiver + ":1");
    request.set_version(version);
    v1::FindSourceResponse response;
    const absl::Status status =
        FromGrpcStatus(service_.FindSource(nullptr, &request, &response));
    if (!status.ok()) return status;
    return response.source();
  }

  std::atomic<uint64_t> sent_ = 0;
  WeightsService service_;
};

TEST_F(WeightsServiceTest, SendsWhatItPublished) {
  const auto snapshot = PackMany(1, 3, 4000);
  Listen();
  service_.Publish(snapshot);
  ASSERT_OK_AND_ASSIGN(const std::string source, FindSource("a", 1));
  ASSERT_THAT(source, StartsWith(":"));
  const auto version = NothingOf(snapshot);
  ASSERT_OK(ReceiveWeights("127.0.0.1" + source, *version, {}));
  EXPECT_TRUE(IsWhole(*version, *snapshot));
  EXPECT_TRUE(HoldsSoon([this] { return sent_ == 12'000; }));
}

TEST_F(WeightsServiceTest, SendsWhatWasPublishedBeforeItListened) {
  const auto snapshot = PackMany(1, 3, 4000);
  service_.Publish(snapshot);
  Listen();
  ASSERT_OK_AND_ASSIGN(const std::string source, FindSource("a", 1));
  const auto version = NothingOf(snapshot);
  ASSERT_OK(ReceiveWeights("127.0.0.1" + source, *version, {}));
}

TEST_F(WeightsServiceTest, SendsFromThePortThatItIsTold) {
  const int port = FreePorts(1)[0];
  ASSERT_OK(service_.Listen("127.0.0.1", {.port = port}));
  service_.Publish(PackMany(1, 3, 4000));
  EXPECT_THAT(FindSource("a", 1), IsOkAndHolds(absl::StrCat(":", port)));
}

TEST_F(WeightsServiceTest, SendsTheThirdToTheFirst) {
  Listen();
  service_.Publish(PackMany(1, 3, 4000));
  ASSERT_OK(FindSource("a", 1));
  ASSERT_OK(FindSource("b", 1));
  EXPECT_THAT(FindSource("c", 1), IsOkAndHolds("a:1"));
}

TEST_F(WeightsServiceTest, OnlyTheNewestVersionHasASource) {
  Listen();
  EXPECT_THAT(FindSource("a", 1),
              StatusIs(StatusCode::kNotFound, HasSubstr("policy version 1")));
  service_.Publish(PackMany(1, 3, 4000));
  service_.Publish(PackMany(2, 3, 4000));
  EXPECT_THAT(FindSource("a", 1),
              StatusIs(StatusCode::kNotFound, HasSubstr("is not the newest")));
  ASSERT_OK(FindSource("a", 2));
}

TEST_F(WeightsServiceTest, WhoDoesNotListenIsNoSource) {
  service_.Publish(PackMany(1, 3, 4000));
  EXPECT_THAT(
      FindSource("a", 1),
      StatusIs(StatusCode::kUnavailable, HasSubstr("sends weights to nobody")));
}

TEST_F(WeightsServiceTest, TheManifestIsOfTheNewestVersion) {
  const auto snapshot = PackMany(3, 2, 400);
  service_.Publish(PackMany(2, 2, 400));
  service_.Publish(snapshot);
  v1::GetManifestRequest request;
  request.set_newer_than(2);
  v1::WeightManifest manifest;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       GrpcServer::Start("127.0.0.1:0", {&service_}));
  const auto stub = v1::Weights::NewStub(
      MakeChannel(absl::StrCat("127.0.0.1:", server->port())));
  const auto context = ContextWithDeadline(absl::Seconds(10));
  ASSERT_OK(
      FromGrpcStatus(stub->GetManifest(context.get(), request, &manifest)));
  EXPECT_EQ(manifest.version(), 3);
  EXPECT_EQ(manifest.xxh3(), snapshot->manifest.xxh3());
}

}  // namespace
}  // namespace rlhf
