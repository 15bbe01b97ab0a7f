// WeightSender and ReceiveWeights with one another, over the loopback.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/comm/weight_fixtures.h"
#include "core/comm/weight_receiver.h"
#include "core/comm/weight_sender.h"
#include "core/comm/weight_wire.h"
#include "core/telemetry/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// More than the kernel buffers for one connection.
constexpr int64_t kLargeBucket = 16 << 20;

// A sender and its address.
struct Sender {
  explicit Sender(const WeightSender::Options& options = {}) {
    auto started = WeightSender::Start("127.0.0.1", options);
    RLHF_CHECK(started.ok()) << started.status();
    weights = *std::move(started);
    address = absl::StrCat("127.0.0.1:", weights->port());
  }
  void Offer(const std::shared_ptr<const WeightSnapshot>& snapshot) {
    weights->Offer(WeightVersion::Of(snapshot));
  }

  std::unique_ptr<WeightSender> weights;
  std::string address;
};

// Connects, asks for `version` and then reads nothing until told to.
class DeafReceiver {
 public:
  DeafReceiver(int port, int64_t version)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const WeightRequest request = {.version = version};
    RLHF_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) ==
               0);
    RLHF_CHECK(::send(fd_, &request, sizeof(request), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(sizeof(request)));
  }
  ~DeafReceiver() { ::close(fd_); }

  // Waits until the first bytes have come, so the sender is at work.
  bool IsServed() {
    char byte;
    return HoldsSoon(
        [&] { return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1; });
  }

  // Reads to the end and returns how many bytes there were.
  size_t ReadAll() {
    std::vector<char> buffer(1 << 20);
    size_t total = 0;
    while (true) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got <= 0) return total;
      total += static_cast<size_t>(got);
    }
  }

 private:
  const int fd_;
};

// A source that accepts one connection and does as it is told with it.
class FakeSource {
 public:
  explicit FakeSource(std::function<void(int)> serve) {
    auto socket = Listen("127.0.0.1:0");
    RLHF_CHECK(socket.ok()) << socket.status();
    listen_fd_ = socket->fd;
    address = absl::StrCat("127.0.0.1:", socket->port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
      WeightRequest request;
      ::recv(fd, &request, sizeof(request), MSG_WAITALL);
      serve(fd);
      ::close(fd);
    });
  }
  ~FakeSource() {
    thread_.join();
    ::close(listen_fd_);
  }

  std::string address;

 private:
  int listen_fd_ = -1;
  std::thread thread_;
};

void SendAll(int fd, const void* data, size_t size) {
  ASSERT_EQ(::send(fd, data, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
}

void SendBucket(int fd, const WeightSnapshot& snapshot, int bucket,
                size_t num_bytes) {
  const absl::string_view bytes = snapshot.buckets[bucket].bytes();
  const BucketHeader header = {.bucket = bucket, .num_bytes = bytes.size()};
  SendAll(fd, &header, sizeof(header));
  SendAll(fd, bytes.data(), num_bytes);
}

TEST(WeightChannelTest, AVersionArrivesBitForBit) {
  Sender sender;
  for (const auto& snapshot : {PackFour(), PackMany(8, 5, 400'000)}) {
    sender.Offer(snapshot);
    const auto version = NothingOf(snapshot);
    ASSERT_OK(ReceiveWeights(sender.address, *version, {}));
    EXPECT_TRUE(IsWhole(*version, *snapshot));
  }
}

TEST(WeightChannelTest, EveryByteIsCountedOnce) {
  std::atomic<uint64_t> sent = 0;
  Sender sender({.on_sent = [&sent](uint64_t bytes) { sent += bytes; }});
  const auto snapshot = PackMany(1, 3, 4000);
  sender.Offer(snapshot);
  const auto version = NothingOf(snapshot);
  ASSERT_OK(ReceiveWeights(sender.address, *version, {}));
  EXPECT_TRUE(HoldsSoon([&sent] { return sent == 12'000; }));
}

TEST(WeightChannelTest, AVersionThatIsNotOfferedIsNotFound) {
  Sender sender;
  const auto version = NothingOf(PackFour());
  EXPECT_THAT(ReceiveWeights(sender.address, *version, {}),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("does not have weights version 7")));
  sender.Offer(PackMany(8, 1, 400));
  EXPECT_THAT(ReceiveWeights(sender.address, *version, {}),
              StatusIs(StatusCode::kNotFound, HasSubstr("version 7")));
}

TEST(WeightChannelTest, NobodyListensIsUnavailable) {
  std::string address;
  {
    const Sender gone;
    address = gone.address;
  }
  const auto version = NothingOf(PackFour());
  EXPECT_THAT(
      ReceiveWeights(address, *version, {}),
      StatusIs(StatusCode::kUnavailable, HasSubstr("cannot connect to")));
  EXPECT_THAT(ReceiveWeights(":7101", *version, {}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("HOST:PORT")));
}

TEST(WeightChannelTest, ABrokenConnectionIsResumedAfterTheLastGoodBucket) {
  const auto snapshot = PackMany(3, 4, 4000);
  FakeSource breaks([&](int fd) {
    SendBucket(fd, *snapshot, 0, 4000);
    SendBucket(fd, *snapshot, 1, 4000);
    SendBucket(fd, *snapshot, 2, 1234);
  });
  const auto version = NothingOf(snapshot);
  EXPECT_THAT(ReceiveWeights(breaks.address, *version, {}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("broke")));
  EXPECT_EQ(version->num_proven(), 2);

  std::atomic<uint64_t> sent = 0;
  Sender sender({.on_sent = [&sent](uint64_t bytes) { sent += bytes; }});
  sender.Offer(snapshot);
  ASSERT_OK(ReceiveWeights(sender.address, *version, {}));
  EXPECT_TRUE(IsWhole(*version, *snapshot));
  EXPECT_TRUE(HoldsSoon([&sent] { return sent == 8000; }));
}

TEST(WeightChannelTest, ADamagedBucketIsRefusedAndComesFromElsewhere) {
  const auto sound = PackMany(3, 4, 4000);
  Sender liar;
  liar.Offer(Damage(PackMany(3, 4, 4000), 2));
  const auto version = NothingOf(sound);
  EXPECT_THAT(ReceiveWeights(liar.address, *version, {}),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr(absl::StrCat("from ", liar.address,
                                              ": weights version 3: bucket 2 "
                                              "of 4 arrived damaged"))));
  EXPECT_EQ(version->num_proven(), 2);
  Sender honest;
  honest.Offer(sound);
  ASSERT_OK(ReceiveWeights(honest.address, *version, {}));
  EXPECT_TRUE(IsWhole(*version, *sound));
}

TEST(WeightChannelTest, AnotherBucketThanTheNextIsRefused) {
  const auto snapshot = PackMany(3, 4, 4000);
  FakeSource jumps([&](int fd) { SendBucket(fd, *snapshot, 1, 4000); });
  const auto version = NothingOf(snapshot);
  EXPECT_THAT(ReceiveWeights(jumps.address, *version, {}),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("something else than bucket 0")));
}

TEST(WeightChannelTest, ASourceThatStandsStillIsGivenUp) {
  const auto snapshot = PackMany(3, 2, 4000);
  std::atomic<bool> over = false;
  FakeSource stands([&](int fd) {
    SendBucket(fd, *snapshot, 0, 4000);
    HoldsSoon([&over] { return over.load(); });
  });
  const auto version = NothingOf(snapshot);
  EXPECT_THAT(ReceiveWeights(stands.address, *version,
                             {.stall = absl::Milliseconds(300)}),
              StatusIs(StatusCode::kDeadlineExceeded,
                       HasSubstr("has sent nothing for")));
  EXPECT_EQ(version->num_proven(), 1);
  over = true;
}

TEST(WeightChannelTest, WhoeverAsksIsAskedWhetherToGoOn) {
  const auto snapshot = PackMany(3, 2, 4000);
  std::atomic<bool> over = false;
  FakeSource stands([&](int fd) {
    SendBucket(fd, *snapshot, 0, 1000);
    HoldsSoon([&over] { return over.load(); });
  });
  uint64_t told = 0;
  const auto version = NothingOf(snapshot);
  EXPECT_THAT(ReceiveWeights(stands.address, *version,
                             {.tick =
                                  [&told](uint64_t num_bytes) {
                                    told = num_bytes;
                                    return absl::CancelledError("enough");
                                  }}),
              StatusIs(StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(told, 1000u);
  over = true;
}

TEST(WeightChannelTest, ARelaySendsOnWhatItHasProvenWhileItReceives) {
  const auto snapshot = PackMany(3, 3, 4000);
  std::atomic<bool> go_on = false;
  FakeSource halts([&](int fd) {
    SendBucket(fd, *snapshot, 0, 4000);
    HoldsSoon([&go_on] { return go_on.load(); });
    SendBucket(fd, *snapshot, 1, 4000);
    SendBucket(fd, *snapshot, 2, 4000);
  });
  const auto at_relay = NothingOf(snapshot);
  Sender relay;
  relay.weights->Offer(at_relay);
  absl::Status received;
  std::thread receiving(
      [&] { received = ReceiveWeights(halts.address, *at_relay, {}); });

  const auto at_leaf = NothingOf(snapshot);
  absl::Status relayed;
  std::thread leaf(
      [&] { relayed = ReceiveWeights(relay.address, *at_leaf, {}); });
  // It joined in the middle, and has the first bucket before the relay has the
  // second.
  EXPECT_NE(at_leaf->Await(0, absl::Seconds(10)), nullptr);
  EXPECT_EQ(at_relay->num_proven(), 1);
  go_on = true;
  receiving.join();
  leaf.join();
  ASSERT_OK(received);
  ASSERT_OK(relayed);
  EXPECT_TRUE(IsWhole(*at_leaf, *snapshot));
}

TEST(WeightChannelTest, AReceiverThatDoesNotReadDelaysNobody) {
  Sender sender;
  const auto snapshot = PackMany(1, 2, kLargeBucket);
  sender.Offer(snapshot);
  DeafReceiver deaf(sender.weights->port(), 1);
  ASSERT_TRUE(deaf.IsServed());

  const auto version = NothingOf(snapshot);
  ASSERT_OK(ReceiveWeights(sender.address, *version, {}));
  EXPECT_TRUE(IsWhole(*version, *snapshot));
  const Stopwatch watch;
  sender.Offer(PackMany(2, 1, 4000));
  sender.Offer(PackMany(3, 1, 4000));
  EXPECT_LT(watch.seconds(), 5);  // its patience is 30
  const auto next = NothingOf(PackMany(3, 1, 4000));
  ASSERT_OK(ReceiveWeights(sender.address, *next, {}));
}

TEST(WeightChannelTest, AReceiverThatDoesNotReadIsCutOffInTime) {
  std::atomic<uint64_t> sent = 0;
  Sender sender({.patience = absl::Milliseconds(200),
                 .on_sent = [&sent](uint64_t bytes) { sent += bytes; }});
  sender.Offer(PackMany(1, 2, kLargeBucket));
  const DeafReceiver deaf(sender.weights->port(), 1);
  ASSERT_TRUE(HoldsSoon([&sent] { return sent > 0; }));
  EXPECT_TRUE(HoldsSoon([&] { return sender.weights->num_streams() == 0; }));
}

TEST(WeightChannelTest, AVersionThatIsReplacedIsSentToItsEnd) {
  Sender sender;
  const auto snapshot = PackMany(1, 3, kLargeBucket);
  sender.Offer(snapshot);
  DeafReceiver receiver(sender.weights->port(), 1);
  ASSERT_TRUE(receiver.IsServed());
  // Of 48 MB not all is in the kernel's buffers.
  sender.Offer(PackMany(2, 1, 4000));
  EXPECT_EQ(receiver.ReadAll(), 3 * (sizeof(BucketHeader) + kLargeBucket));
}

TEST(WeightChannelTest, AtMostTwoVersionsAreHeld) {
  Sender sender;
  const auto offer = [&sender](int64_t version) {
    const auto offered = WeightVersion::Of(PackMany(version, 1, kLargeBucket));
    sender.weights->Offer(offered);
    return std::weak_ptr<WeightVersion>(offered);
  };
  const auto first = offer(1);
  DeafReceiver of_first(sender.weights->port(), 1);
  ASSERT_TRUE(of_first.IsServed());
  const auto second = offer(2);
  DeafReceiver of_second(sender.weights->port(), 2);
  ASSERT_TRUE(of_second.IsServed());
  const auto third = offer(3);
  // The second is cut off, as the first is on its way.
  EXPECT_TRUE(HoldsSoon([&second] { return second.expired(); }));
  EXPECT_FALSE(first.expired());
  EXPECT_FALSE(third.expired());
  sender.weights->Withdraw();
  EXPECT_TRUE(HoldsSoon([&] { return first.expired() && third.expired(); }));
}

TEST(WeightChannelTest, ConnectionsBeyondTheLimitAreClosed) {
  Sender sender({.max_streams = 1});
  const auto snapshot = PackMany(1, 1, kLargeBucket);
  sender.Offer(snapshot);
  const DeafReceiver deaf(sender.weights->port(), 1);
  ASSERT_TRUE(HoldsSoon([&] { return sender.weights->num_streams() == 1; }));
  const auto version = NothingOf(snapshot);
  EXPECT_THAT(ReceiveWeights(sender.address, *version, {}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("broke")));
}

TEST(WeightChannelTest, TheDestructorDoesNotWaitForReceivers) {
  auto sender = std::make_unique<Sender>();
  const auto snapshot = PackMany(1, 1, kLargeBucket);
  sender->Offer(snapshot);
  DeafReceiver deaf(sender->weights->port(), 1);
  ASSERT_TRUE(deaf.IsServed());
  // And one that waits for a bucket that never comes.
  Sender relay;
  relay.weights->Offer(NothingOf(snapshot));
  const DeafReceiver waits(relay.weights->port(), 1);
  ASSERT_TRUE(HoldsSoon([&] { return relay.weights->num_streams() == 1; }));
  const Stopwatch watch;
  sender.reset();
  relay.weights.reset();
  EXPECT_LT(watch.seconds(), 5);
}

}  // namespace
}  // namespace rlhf
