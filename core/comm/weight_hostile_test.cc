// Senders and receivers of weights, and manifests, with bytes from somebody who
// means them no good: damaged, the same way every time. They end with an error
// that says what came, or with what was meant; they take no more memory for it,
// and serve the next one.
#include <google/protobuf/stubs/logging.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/comm/weight_fixtures.h"
#include "core/comm/weight_receiver.h"
#include "core/comm/weight_sender.h"
#include "core/comm/weight_wire.h"
#include "core/telemetry/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/resident_memory.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AnyOf;
using testing::Eq;
using testing::HasSubstr;

constexpr int kSeeds = 2000;

std::shared_ptr<const WeightSnapshot> Weights() {
  return PackMany(/*version=*/3, /*num_buckets=*/3, /*bucket_bytes=*/256);
}

template <typename T>
void Append(const T& value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// What an honest sender answers.
std::string StreamOf(const WeightSnapshot& snapshot) {
  std::string stream;
  for (size_t b = 0; b < snapshot.buckets.size(); ++b) {
    const absl::string_view bytes = snapshot.buckets[b].bytes();
    Append(BucketHeader{.bucket = static_cast<int64_t>(b),
                        .num_bytes = bytes.size()},
           stream);
    stream.append(bytes.data(), bytes.size());
  }
  return stream;
}

// Some is for threads, and for what the allocator keeps.
void ExpectNoMoreMemoryThan(int64_t resident_bytes) {
  if (FreedMemoryStays()) return;
  EXPECT_LT(ResidentBytes() - resident_bytes, 16 << 20);
}

std::string Damaged(std::string bytes, int seed) {
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const auto any = [&random] { return static_cast<char>(random()); };
  const size_t place = random() % bytes.size();
  switch (seed % 6) {
    case 0:  // cut off
      bytes.resize(place);
      break;
    case 1:  // more than was asked for
      for (size_t i = random() % 5000; i > 0; --i) bytes += any();
      break;
    case 2:  // flipped bits
      for (size_t flips = 1 + random() % 3; flips > 0; --flips) {
        char& byte = bytes[random() % bytes.size()];
        byte = static_cast<char>(byte ^ (1 << random() % 8));
      }
      break;
    case 3:  // something in between
      for (size_t i = 1 + random() % 40; i > 0; --i) {
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(place), any());
      }
      break;
    case 4:  // other numbers
      for (size_t i = place; i < bytes.size() && i < place + 8; ++i) {
        bytes[i] = any();
      }
      break;
    default:
      for (char& byte : bytes) byte = any();
  }
  return bytes;
}

// Sends `request` to the port, and nothing after it; returns how many bytes
// came back.
size_t Ask(int port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  RLHF_CHECK(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  SetTimeout(fd, SO_RCVTIMEO, absl::Seconds(10));
  // It may be hung up on before all is said.
  ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  char buffer[4096];
  size_t total = 0;
  ssize_t got = 0;
  while ((got = ::recv(fd, buffer, sizeof(buffer), 0)) > 0) {
    total += static_cast<size_t>(got);
  }
  EXPECT_FALSE(got < 0 && errno == EAGAIN) << "it neither answers nor hangs up";
  ::close(fd);
  return total;
}

TEST(WeightHostileTest, ASenderAnswersARequestOrHangsUpAndServesTheNext) {
  const auto snapshot = Weights();
  const size_t all = StreamOf(*snapshot).size();
  auto sender = *WeightSender::Start("127.0.0.1", {});
  sender->Offer(WeightVersion::Of(snapshot));
  std::string request;
  Append(WeightRequest{.version = 3}, request);
  ASSERT_EQ(Ask(sender->port(), request), all);
  int num_hung_up = 0;
  const int64_t before = ResidentBytes();
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::string damaged = Damaged(request, seed);
    const size_t got = Ask(sender->port(), damaged);
    EXPECT_LE(got, all);
    if (got == 0) ++num_hung_up;
    // What is not read when it hangs up resets the connection, answer and all.
    if (damaged.size() > request.size()) continue;
    // Whole buckets, or a word that it has none, or nothing.
    EXPECT_THAT(got, AnyOf(Eq(0u), Eq(sizeof(BucketHeader)), Eq(all),
                           Eq(all / 3), Eq(all / 3 * 2)));
  }
  EXPECT_GT(num_hung_up, kSeeds / 3);
  ExpectNoMoreMemoryThan(before);
  EXPECT_TRUE(HoldsSoon([&] { return sender->num_streams() == 0; }));

  const auto version = NothingOf(snapshot);
  ASSERT_OK(
      ReceiveWeights(absl::StrCat("127.0.0.1:", sender->port()), *version, {}));
  EXPECT_TRUE(IsWhole(*version, *snapshot));
}

// Answers the connections, one after the other, with damaged streams of one
// version, of the seeds from 0 on.
class LyingSource {
 public:
  LyingSource(std::string stream, int num_connections)
      : thread_([this, stream = std::move(stream), num_connections] {
          for (int seed = 0; seed < num_connections; ++seed) {
            const int fd =
                ::accept4(socket_.fd, nullptr, nullptr, SOCK_CLOEXEC);
            char request[sizeof(WeightRequest)];
            ::recv(fd, request, sizeof(request), MSG_WAITALL);
            const std::string bytes = Damaged(stream, seed);
            ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            ::close(fd);
          }
        }) {}
  ~LyingSource() {
    ::shutdown(socket_.fd, SHUT_RDWR);  // where a test ended early
    thread_.join();
    ::close(socket_.fd);
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", socket_.port);
  }

 private:
  const ListenSocket socket_ = *Listen("127.0.0.1:0");
  std::thread thread_;
};

TEST(WeightHostileTest, AReceiverTakesWhatIsProvenAndNamesWhatIsNot) {
  const auto snapshot = Weights();
  LyingSource source(StreamOf(*snapshot), kSeeds);
  int num_whole = 0;
  const int64_t before = ResidentBytes();
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const auto version = NothingOf(snapshot);
    const absl::Status status = ReceiveWeights(source.address(), *version, {});
    EXPECT_EQ(status.ok(), version->whole()) << status;
    for (int b = 0; b < version->num_proven(); ++b) {
      EXPECT_EQ(version->Await(b, absl::ZeroDuration())->bytes(),
                snapshot->buckets[static_cast<size_t>(b)].bytes());
    }
    if (status.ok()) {
      ++num_whole;
      continue;
    }
    EXPECT_THAT(status.code(),
                AnyOf(StatusCode::kUnavailable, StatusCode::kNotFound,
                      StatusCode::kDataLoss));
    EXPECT_THAT(std::string(status.message()), HasSubstr(source.address()));
  }
  // Those with more at their end.
  EXPECT_GE(num_whole, kSeeds / 6);
  EXPECT_LT(num_whole, kSeeds / 4);
  ExpectNoMoreMemoryThan(before);
}

// Whether every tensor lies in a bucket that there is.
bool IsSound(const v1::WeightManifest& manifest) {
  for (const v1::TensorSpec& spec : manifest.tensors()) {
    if (spec.bucket() < 0 || spec.bucket() >= manifest.buckets_size()) {
      return false;
    }
    long double end = spec.dtype() == "F32" ? 4 : 2;
    for (const int64_t dimension : spec.shape()) {
      if (dimension < 0) return false;
      end *= static_cast<long double>(dimension);
    }
    end += static_cast<long double>(spec.offset());
    if (end > manifest.buckets(spec.bucket()).num_bytes()) return false;
  }
  return true;
}

TEST(WeightHostileTest, AManifestIsTheLearnersOrRefused) {
  const google::protobuf::LogSilencer no_log_of_what_is_no_message;
  const v1::WeightManifest original = PackFour()->manifest;
  const std::string bytes = original.SerializeAsString();
  int num_parsed = 0, num_sound = 0;
  for (int seed = 0; seed < 10 * kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    v1::WeightManifest manifest;
    if (!manifest.ParseFromString(Damaged(bytes, seed))) continue;
    ++num_parsed;
    const auto version = WeightVersion::Create(manifest);
    if (version.ok()) {
      EXPECT_EQ(ManifestXxh3(manifest), ManifestXxh3(original));
    } else {
      EXPECT_FALSE(version.status().message().empty());
    }
    // From a liar who knows how to make a checksum.
    manifest.set_xxh3(ManifestXxh3(manifest));
    const auto lie = WeightVersion::Create(manifest);
    if (!lie.ok()) continue;
    ++num_sound;
    EXPECT_TRUE(IsSound(manifest)) << manifest.ShortDebugString();
  }
  EXPECT_GT(num_parsed, kSeeds / 2);
  EXPECT_GT(num_sound, kSeeds / 20);
}

}  // namespace
}  // namespace rlhf
