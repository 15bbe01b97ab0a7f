#include "core/comm/rank_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <latch>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/bounded_queue.h"
#include "tests/testing/ranks.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Rank 0 of three: what it would broadcast is given to the test.
class Inviting final : public Communicator {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 3; }
  absl::Status AllReduceSum(const std::vector<at::Tensor>&) override {
    return absl::UnimplementedError("not for this test");
  }
  absl::Status Broadcast(const at::Tensor& tensor) override {
    // The length comes first.
    if (tensor.scalar_type() != at::kByte) return absl::OkStatus();
    invitations.TryPush(std::string(static_cast<char*>(tensor.data_ptr()),
                                    static_cast<size_t>(tensor.numel())));
    return absl::OkStatus();
  }

  std::unique_ptr<Transfer> StartAllReduceSum(const at::Tensor&,
                                              const std::string&) override {
    return nullptr;
  }
  std::unique_ptr<Transfer> StartAllGather(const at::Tensor&,
                                           const std::string&) override {
    return nullptr;
  }
  std::unique_ptr<Transfer> StartReduceScatterSum(const at::Tensor&,
                                                  const std::string&) override {
    return nullptr;
  }

  BoundedQueue<std::string> invitations{1};
};

// The other end of a rank's connection, in the hand of the test.
class FakeRank {
 public:
  FakeRank(const std::string& invitation, int rank) {
    const std::vector<std::string> words = absl::StrSplit(invitation, ' ');
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(words[0], &port));
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {.sin_family = AF_INET,
                           .sin_port = htons(static_cast<uint16_t>(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    // A beat may come in the same packet.
    Say(absl::StrCat(words[1], " ", rank, "\nbeat first words of ", rank));
  }
  ~FakeRank() { Die(); }

  void Say(const std::string& line) {
    const std::string bytes = line + "\n";
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  // As a killed process: the connection is closed without a word.
  void Die() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // All that rank 0 says until it hangs up or `what` is in it.
  bool Hears(const std::string& what) {
    char buffer[1000];
    ssize_t size = 0;
    while (heard_.find(what) == std::string::npos &&
           (size = ::recv(fd_, buffer, sizeof(buffer), 0)) > 0) {
      heard_.append(buffer, static_cast<size_t>(size));
    }
    return heard_.find(what) != std::string::npos;
  }

 private:
  int fd_ = -1;
  std::string heard_;
};

// The watch of rank 0 and two fakes.
class RankWatchTest : public testing::Test {
 protected:
  void Start(absl::Duration timeout) {
    std::jthread others([this] {
      const std::string invitation =
          *communicator_.invitations.Pop(absl::Seconds(20));
      one_.emplace(invitation, 1);
      two_.emplace(invitation, 2);
    });
    auto watch = RankWatch::Start(
        communicator_, {.master_address = "127.0.0.1",
                        .timeout = timeout,
                        .on_failure = [this](const std::string& message) {
                          failures_.TryPush(std::string(message));
                        }});
    ASSERT_OK(watch);
    watch_ = *std::move(watch);
  }

  // Beats for whoever lives until a failure is found.
  std::string Failure() { return *failures_.Pop(absl::Seconds(20)); }

  Inviting communicator_;
  BoundedQueue<std::string> failures_{4};
  std::optional<FakeRank> one_, two_;
  std::unique_ptr<RankWatch> watch_;
};

TEST_F(RankWatchTest, ADeadRankIsNamedAtOnceToAll) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::Hours(1)));
  const absl::Time killed = absl::Now();
  two_->Die();
  EXPECT_THAT(Failure(), HasSubstr("rank 2 died"));
  EXPECT_LT(absl::Now() - killed, absl::Seconds(2));
  EXPECT_TRUE(one_->Hears("failed rank 2 died"));
}

TEST_F(RankWatchTest, ASilentRankIsStuckWhileOthersBeat) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::Milliseconds(300)));
  std::atomic<bool> found = false;
  std::jthread beats([&] {
    while (!found) {
      one_->Say("beat gradients of update 12");
      absl::SleepFor(absl::Milliseconds(50));
    }
  });
  const std::string failure = Failure();
  found = true;
  EXPECT_THAT(failure, AllOf(HasSubstr("rank 2 is stuck"),
                             HasSubstr("no sign of life for 300ms"),
                             HasSubstr("first words of 2")));
}

TEST_F(RankWatchTest, AFailedRanksOwnWordsAreToldToAll) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::Hours(1)));
  one_->Say("failed rank 1 failed: out of memory");
  EXPECT_EQ(Failure(), "rank 1 failed: out of memory");
  EXPECT_TRUE(two_->Hears("failed rank 1 failed: out of memory"));
}

TEST_F(RankWatchTest, WhoSaysGoodbyeIsNotDead) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::Hours(1)));
  one_->Say("bye");
  // What comes later on the other connection is seen later.
  two_->Say("failed rank 2 failed: disk full");
  one_->Die();
  EXPECT_EQ(Failure(), "rank 2 failed: disk full");
}

TEST_F(RankWatchTest, TellsWhatItDoesAndWhatOthersTold) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::Hours(1)));
  communicator_.Describe("gradients of\nupdate 7");
  EXPECT_TRUE(one_->Hears("beat gradients of update 7"));
  // Between two beats it listens.
  communicator_.Describe("summary");
  EXPECT_TRUE(one_->Hears("beat summary"));
  EXPECT_THAT(watch_->Activities(), HasSubstr("rank 2: first words of 2"));
}

TEST(RankWatchTwoRanksTest, GoodbyesAreNoFailuresButErrorsAre) {
  for (const bool fails : {false, true}) {
    std::latch joined(2);
    OnTwoRanks(absl::Seconds(30), [&](Communicator& communicator) {
      BoundedQueue<std::string> failures(1);
      auto watch = RankWatch::Start(
          communicator, {.master_address = "127.0.0.1",
                         .on_failure = [&](const std::string& message) {
                           failures.TryPush(std::string(message));
                         }});
      ASSERT_OK(watch);
      joined.arrive_and_wait();
      if (communicator.rank() == 1) {
        (*watch)->Leave(fails ? absl::InternalError("no\nmemory")
                              : absl::OkStatus());
      } else if (fails) {
        EXPECT_EQ(*failures.Pop(absl::Seconds(20)), "rank 1 failed: no memory");
      }
    });
  }
}

}  // namespace
}  // namespace rlhf
